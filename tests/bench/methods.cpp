// What each method costs on a model, beside full attention in the same minutes:
//
//   bench_methods [--model PATH] [--lengths 2048,4096,8192] [--methods full,a_shape:local=1024]
//                 [--text FILE] [--runs 3] [--steps 16] [--random LAYERS]
//
// Without --methods it walks the table, each method at its defaults. The prompt is the file's text,
// by default of what Debian has everywhere, since a method that looks at the data must have real
// data to look at; what it lacks in length it repeats. A row is one prefill of the prompt and some
// decode steps behind it: time to the first token, and how much of it the method's hooks took
// (attention, index, compression: all but projections and mlp, and but for what rewrites the prompt
// ahead of them); density of the prefill (pairs attended over causal pairs of the prompt as it
// came); milliseconds of a decode step, likewise, and what it reads of keys and values and moves of
// them between tiers; bytes of the cache behind the prompt and at most.
// Best of the runs, methods in turn, so that what else the machine does meets them alike; beside
// the wall's clock the processor time of all threads, which others on the machine hardly touch.
// `--random` takes random weights, so many layers of SmolLM2-135M's shape on up to 32,768 tokens,
// for lengths that it was not made for; what a method chooses there is noise.
//
// Before anything is timed, each method's answer is checked: its lossless settings (MethodEntry)
// must give full attention's logits on the first 700 tokens, the pairs counted must lie within the
// contract's bounds, and all logits must be finite.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "exec/session/loaded_model.h"
#include "exec/session/prompt_models.h"
#include "methods/runtime.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"
#include "traces/check.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

struct Options {
  std::string model, methods, text;
  std::string lengths = "2048,4096,8192";
  int runs = 3, steps = 16, random = 0;
};

struct Ledger {
  Ledger() { clock.start(); }
  std::unique_ptr<Timeline> timeline = wall_timeline();
  StageClock clock{*timeline};
  PerStage<StageCounts> counts{};
  Measure measure{clock, counts};
};

double attended_pairs(const Ledger& ledger) {
  double pairs = 0;
  for (const StageCounts& stage : ledger.counts) {
    pairs += static_cast<double>(stage.attended_pairs);
  }
  return pairs;
}

// Of all threads, since the program began.
double processor_seconds() {
  return static_cast<double>(std::clock()) / static_cast<double>(CLOCKS_PER_SEC);
}

// Full attention and others are given to the model through this, so that what a hook takes is told
// apart from projections and mlp whatever stages the method enters.
class Timed final : public MethodRuntime {
  template <class Work>
  auto time(const Work& work) {
    const auto before = std::chrono::steady_clock::now();
    const double began = processor_seconds();
    auto result = work();
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
    processor += processor_seconds() - began;
    return result;
  }

 public:
  explicit Timed(MethodRuntime& method) : method_(method) {}
  at::Tensor attend_prefill(LayerStep& step) override {
    return time([&] { return method_.attend_prefill(step); });
  }
  bool compress(LayerStep& step) override {
    return time([&] { return method_.compress(step); });
  }
  at::Tensor attend_decode(LayerStep& step) override {
    return time([&] { return method_.attend_decode(step); });
  }
  std::int64_t retrieve(const KvCache& cache, std::span<const std::int32_t> cached,
                        std::span<const std::int32_t> prompt, Measure& measure) override {
    return method_.retrieve(cache, cached, prompt, measure);
  }
  std::optional<std::vector<std::int64_t>> rows_into(std::int64_t layer,
                                                     std::span<const std::int64_t> positions,
                                                     KvCache& cache) override {
    return method_.rows_into(layer, positions, cache);
  }
  Expected<std::vector<std::int32_t>> rewrite_prompt(const RecalledPrompt& fresh, bool first,
                                                     PromptTools& tools,
                                                     Measure& measure) override {
    return method_.rewrite_prompt(fresh, first, tools, measure);
  }
  double seconds = 0, processor = 0;  // in the hooks of layers

 private:
  MethodRuntime& method_;
};

struct Row {
  double ttft = std::numeric_limits<double>::infinity(), attention = ttft, decode = ttft;
  double decode_attention = ttft, density = 0;
  double processor = ttft, attention_processor = ttft;  // seconds of the prefill
  std::map<std::string, double> parts = {};  // of the prefill, in the run of the least TTFT
  std::int64_t bytes = 0, peak = 0, prompt = 0;
  double read = 0, moved = 0;  // bytes of a decode step
};

struct Contestant {
  methods::MethodChoice choice;
  std::string name;
  std::unique_ptr<MethodRuntime> runtime;
  std::unique_ptr<methods::KvContract> contract;
};

at::Tensor value(Expected<at::Tensor> logits) {
  if (!logits) fmt::print(stderr, "{}\n", logits.error().message);
  SCSIM_CHECK(logits.has_value());
  SCSIM_CHECK(logits->isfinite().all().item<bool>());
  return *logits;
}

double causal_pairs(const ModelConfig& config, std::int64_t tokens) {
  const auto n = static_cast<double>(tokens);
  return static_cast<double>(config.layers * config.attention.query_heads) * n * (n + 1) / 2;
}

// One prefill and some steps; takes over what was faster than before.
void run_once(Model& model, PromptTools& tools, std::span<const std::int32_t> prompt, int steps,
              Contestant& of, Row& row) {
  Ledger ledger;
  KvCache cache = model.make_cache();
  Timed timed(*of.runtime);
  std::map<std::string, double> parts;
  ledger.measure.parts = &parts;
  const auto start = std::chrono::steady_clock::now();
  const double began = processor_seconds();
  const auto since = [](std::chrono::steady_clock::time_point from) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count();
  };
  const Expected<std::vector<std::int32_t>> rewritten =
      timed.rewrite_prompt({prompt}, true, tools, ledger.measure);
  SCSIM_CHECK(rewritten.has_value());
  const double read_pairs = attended_pairs(ledger);  // by a scorer, if there is one
  at::Tensor logits = value(model.prefill(*rewritten, cache, timed, ledger.measure));
  const double ttft = since(start);
  if (ttft < row.ttft) row.parts = parts;
  row.ttft = std::min(row.ttft, ttft);
  row.attention = std::min(row.attention, timed.seconds);
  row.processor = std::min(row.processor, processor_seconds() - began);
  row.attention_processor = std::min(row.attention_processor, timed.processor);
  const double pairs = attended_pairs(ledger) - read_pairs;
  row.peak = 0;
  for (const StageCounts& stage : ledger.counts) {
    row.peak = std::max(row.peak, stage.peak_bytes);
  }
  row.prompt = std::ssize(*rewritten);
  row.density = pairs / causal_pairs(model.config(), std::ssize(prompt));
  row.bytes = cache.bytes().total();
  timed.seconds = 0;
  const auto decoding = std::chrono::steady_clock::now();
  for (int i = 0; i < steps; ++i) {
    const auto token = static_cast<std::int32_t>(logits.argmax(-1).item<std::int64_t>());
    logits = value(model.decode(token, cache, timed, ledger.measure));
  }
  row.decode = std::min(row.decode, since(decoding) / steps);
  row.decode_attention = std::min(row.decode_attention, timed.seconds / steps);
  const StageCounts& loading = ledger.counts[static_cast<std::size_t>(Stage::kLoading)];
  row.read = static_cast<double>(loading.bytes_read) / steps;
  row.moved = static_cast<double>(loading.bytes_moved) / steps;
  // The counts are within what the contract says of such a prompt.
  double least = 0, most = 0;
  const AttentionConfig& heads = model.config().attention;
  for (std::int64_t i = 0; i < model.config().attention_layers(); ++i) {
    const methods::PairBounds bounds =
        of.contract->prefill_pairs({.layer = i,
                                    .num_layers = model.config().attention_layers(),
                                    .query_heads = heads.query_heads,
                                    .kv_heads = heads.kv_heads,
                                    .head_dim = heads.head_dim,
                                    .element_bytes = 4},
                                   Tokens{row.prompt}, Tokens{0});
    least += bounds.least;
    most += bounds.most;
  }
  SCSIM_CHECK_GE(pairs, least);
  SCSIM_CHECK_LE(pairs, most);
}

at::Tensor few_logits(Model& model, PromptTools& tools, std::span<const std::int32_t> tokens,
                      MethodRuntime& method) {
  Ledger ledger;
  KvCache cache = model.make_cache();
  const auto prompt = method.rewrite_prompt({tokens}, true, tools, ledger.measure);
  SCSIM_CHECK(prompt.has_value());
  std::vector<at::Tensor> logits = {value(model.prefill(*prompt, cache, method, ledger.measure))};
  for (const std::int32_t token : tokens.first(3)) {
    logits.push_back(value(model.decode(token, cache, method, ledger.measure)));
  }
  return at::stack(logits);
}

void check_answers(Model& model, PromptTools& tools, std::span<const std::int32_t> tokens,
                   const std::vector<Contestant>& contestants) {
  MethodRuntime full;
  const at::Tensor expected = few_logits(model, tools, tokens, full);
  std::set<std::string> checked;
  for (const Contestant& of : contestants) {
    if (!checked.insert(of.choice.name).second) continue;
    for (const std::string& setting : (*methods::find_method(of.choice.name))->lossless) {
      if (setting.empty()) continue;
      const auto choice = methods::parse_method(of.choice.name + ":" + setting);
      SCSIM_CHECK(choice.has_value());
      const at::Tensor found = few_logits(model, tools, tokens, *methods::make_runtime(*choice));
      SCSIM_CHECK_LT((found - expected).abs().max().item<double>(), 2e-2);
    }
  }
}

Expected<std::vector<std::int32_t>> prompt_tokens(const Options& options, const LoadedModel& model,
                                                  std::int64_t most) {
  std::string text;
  std::vector<std::string> paths = {options.text};
  if (options.text.empty()) {
    paths = {"/usr/share/common-licenses/GPL-3", "/usr/share/common-licenses/Apache-2.0",
             "/usr/share/common-licenses/MPL-2.0"};
  }
  for (const std::string& path : paths) {
    std::ifstream file(path, std::ios::binary);
    text.append(std::istreambuf_iterator<char>(file), {});
  }
  if (text.empty()) return Error{"--text: no text in " + paths.front()};
  text.resize(std::min(text.size(), static_cast<std::size_t>(most) * 8));
  std::vector<std::int32_t> tokens = model.tokenizer.encode(text, SpecialTokens::kAsText);
  for (std::size_t i = 0; std::ssize(tokens) < most; ++i) tokens.push_back(tokens[i]);
  return tokens;
}

Expected<std::vector<Contestant>> contestants_of(const Options& options) {
  std::string text = options.methods;
  if (text.empty()) {
    for (const methods::MethodEntry& entry : methods::method_table()) {
      text += (text.empty() ? "" : ",") + entry.name;
    }
  }
  const auto choices = methods::parse_methods(text);
  if (!choices) return choices.error();
  std::vector<Contestant> contestants;
  for (const methods::MethodChoice& choice : *choices) {
    contestants.push_back({.choice = choice,
                           .name = methods::method_text(choice),
                           .runtime = methods::make_runtime(choice),
                           .contract = methods::make_contract(choice)});
  }
  return contestants;
}

Expected<void> run(const Options& options) {
  std::string path = options.model;
  const test::TemporaryFolder folder;
  if (options.random > 0) {
    path = folder.path();
    test::write_tiny_model(path, {.layers = options.random,
                                  .query_heads = 9,
                                  .kv_heads = 3,
                                  .head_dim = 64,
                                  .hidden = 576,
                                  .intermediate = 1536,
                                  .max_positions = 32'768});
  } else if (path.empty()) {
    const Expected<std::string> found = default_model_path();
    if (!found) return found.error();
    path = *found;
  }
  Expected<LoadedModel> model = load_model(path, ModelOptions{});
  if (!model) return model.error();
  Expected<std::vector<Contestant>> contestants = contestants_of(options);
  if (!contestants) return contestants.error();
  PromptModels tools(*model->model, model->tokenizer);
  for (const Contestant& of : *contestants) {
    if (const auto ready = of.runtime->prepare(tools); !ready) return ready.error();
  }
  std::vector<std::int64_t> lengths;
  for (const std::string& piece : split(options.lengths, ',')) {
    const Expected<double> length = parse_double(trim(piece));
    if (!length) return Error{"--lengths: " + length.error().message};
    lengths.push_back(static_cast<std::int64_t>(*length));
  }
  const auto tokens =
      prompt_tokens(options, *model, std::max<std::int64_t>(std::ranges::max(lengths), 700));
  if (!tokens) return tokens.error();
  check_answers(*model->model, tools, std::span(*tokens).first(700), *contestants);
  fmt::print("{}, {} threads, best of {} runs\n", model->description.name, at::get_num_threads(),
             options.runs);
  std::fflush(stdout);
  for (const std::int64_t length : lengths) {
    fmt::print("\n{} tokens; ms, of a prefill but for the decode columns\n", length);
    fmt::print(
        "{:<36} {:>8} {:>8} {:>6} {:>8} {:>8} {:>6} {:>7} {:>7} {:>8} {:>8} {:>8} {:>8} {:>8}\n",
        "method", "TTFT", "CPU", "x full", "layers", "CPU", "x full", "density", "decode", "layers",
        "read MB", "moved MB", "cache MB", "peak MB");
    std::vector<Row> rows(contestants->size());
    const std::span<const std::int32_t> prompt =
        std::span(*tokens).first(static_cast<std::size_t>(length));
    for (int run = 0; run < options.runs; ++run) {
      for (std::size_t i = 0; i < rows.size(); ++i) {
        run_once(*model->model, tools, prompt, options.steps, (*contestants)[i], rows[i]);
      }
    }
    const auto full = std::ranges::find(*contestants, "full", &Contestant::name);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const Row& row = rows[i];
      std::string whole = "-", attention = "-";  // by processor time
      if (full != contestants->end()) {
        const Row& base = rows[static_cast<std::size_t>(full - contestants->begin())];
        whole = format_fixed(base.processor / row.processor, 2);
        attention = format_fixed(base.attention_processor / row.attention_processor, 2);
      }
      fmt::print(
          "{:<36} {:>8.0f} {:>8.0f} {:>6} {:>8.0f} {:>8.0f} {:>6} {:>7.4f} {:>7.1f} {:>8.1f} "
          "{:>8.1f} {:>8.1f} {:>8.1f} {:>8.1f}\n",
          (*contestants)[i].name, row.ttft * 1e3, row.processor * 1e3, whole, row.attention * 1e3,
          row.attention_processor * 1e3, attention, row.density, row.decode * 1e3,
          row.decode_attention * 1e3, row.read / 1e6, row.moved / 1e6,
          static_cast<double>(row.bytes) / 1e6, static_cast<double>(row.peak) / 1e6);
      for (const auto& [part, seconds] : row.parts) {
        fmt::print("{:<36} {:>8.0f}\n", "  of it " + part, seconds * 1e3);
      }
      std::fflush(stdout);
    }
  }
  return {};
}

int main_of(std::span<char*> arguments) {
  Options options;
  const std::map<std::string, std::string*> texts = {{"--model", &options.model},
                                                     {"--methods", &options.methods},
                                                     {"--text", &options.text},
                                                     {"--lengths", &options.lengths}};
  const std::map<std::string, int*> numbers = {
      {"--runs", &options.runs}, {"--steps", &options.steps}, {"--random", &options.random}};
  for (std::size_t i = 0; i + 1 < arguments.size(); i += 2) {
    if (const auto text = texts.find(arguments[i]); text != texts.end()) {
      *text->second = arguments[i + 1];
    } else if (const auto number = numbers.find(arguments[i]); number != numbers.end()) {
      *number->second = std::max(1, std::atoi(arguments[i + 1]));
    } else {
      fmt::print(stderr, "unknown option {}\n", arguments[i]);
      return 2;
    }
  }
  if (arguments.size() % 2 != 0) {
    fmt::print(stderr, "{} needs a value\n", arguments.back());
    return 2;
  }
  if (const Expected<void> done = run(options); !done) {
    fmt::print(stderr, "{}\n", done.error().message);
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace scsim::exec

int main(int argc, char** argv) {
  return scsim::exec::main_of(std::span(argv, static_cast<std::size_t>(argc)).subspan(1));
}
