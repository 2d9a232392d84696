// What a prompt of known documents costs until its first token, in another order than they came in:
//
//   bench_reuse MODEL 2048 4096 8000 [--runs 3] [--document 512]     (tokens of one, at most)
//
// A prompt is a head of 16 tokens, documents, and a question of 32 tokens, of text that Debian has
// everywhere. Each method first meets the documents in one order (`cold`, which for chunk methods
// includes prefilling each by itself), then in the reverse order with another question: the row.
// `same order` is the case that a prefix cache is for: another question behind the same documents.
// Rows computed and pairs attended are shares of full attention's; GFLOP are those counted, and the
// rate says what bounds a row: where it is full attention's the products do, where it is lower the
// copying and turning of what was stored (ms, its own column) and what a step costs whatever it
// computes. `KL` and `top` say how far the next token's distribution is from full attention's, and
// whether its first choice is the same. Best of the runs, methods in turn.
//
// Before anything is timed, CacheBlend with a ratio of 1 and EPIC with all tokens must give full
// attention's logits.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "exec/session/loaded_model.h"
#include "methods/runtime.h"
#include "traces/check.h"

namespace scsim::exec {
namespace {

using Ids = std::vector<std::int32_t>;
constexpr std::int64_t kHead = 16, kQuestion = 32;

struct Prompt {
  Ids tokens;
  std::vector<TokenRange> documents;
};

struct Run {
  double seconds = std::numeric_limits<double>::infinity();
  double operations = 0, pairs = 0, rows = 0;  // rows: tokens times layers that attended
  std::map<std::string, double> parts;
  at::Tensor logits;
};

// Counts the rows of each layer on the way to the method's own hooks.
class Counting final : public MethodRuntime {
 public:
  explicit Counting(MethodRuntime& method) : method_(method) {}
  at::Tensor attend_prefill(LayerStep& step) override {
    rows += static_cast<double>(step.q.size(0));
    return method_.attend_prefill(step);
  }
  bool compress(LayerStep& step) override { return method_.compress(step); }
  std::optional<std::vector<std::int64_t>> rows_into(std::int64_t layer,
                                                     std::span<const std::int64_t> positions,
                                                     KvCache& cache) override {
    return method_.rows_into(layer, positions, cache);
  }
  double rows = 0;

 private:
  MethodRuntime& method_;
};

Run run_once(Model& model, MethodRuntime& method, const Prompt& prompt) {
  const auto began = std::chrono::steady_clock::now();
  const std::unique_ptr<Timeline> timeline = wall_timeline();
  StageClock clock(*timeline);
  clock.start();
  PerStage<StageCounts> counts{};
  Run run;
  Measure measure{clock, counts};
  measure.parts = &run.parts;
  KvCache cache = model.make_cache();
  const RecalledPrompt recalled{prompt.tokens, prompt.documents};
  SCSIM_CHECK(method.recall(cache, recalled, model.prefill_alone(measure), measure).has_value());
  Counting counting(method);
  const auto logits =
      model.prefill(std::span(prompt.tokens).subspan(static_cast<std::size_t>(cache.tokens_seen())),
                    cache, counting, measure);
  SCSIM_CHECK(logits.has_value());
  run.logits = *logits;
  method.remember(cache, prompt.tokens, measure);
  run.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  for (const StageCounts& stage : counts) {
    run.operations += stage.operations;
    run.pairs += static_cast<double>(stage.attended_pairs);
  }
  run.rows = counting.rows;
  return run;
}

Ids some_text(const LoadedModel& model, std::int64_t tokens) {
  std::string text;
  for (const char* name : {"GPL-3", "Apache-2.0", "MPL-2.0", "GPL-2", "LGPL-2.1"}) {
    std::ifstream file(std::string("/usr/share/common-licenses/") + name, std::ios::binary);
    text.append(std::istreambuf_iterator<char>(file), {});
  }
  Ids ids = model.tokenizer.encode(text, SpecialTokens::kAsText);
  SCSIM_CHECK(!ids.empty());
  for (std::size_t i = 0; std::ssize(ids) < tokens; ++i) ids.push_back(ids[i]);
  return ids;
}

Prompt make_prompt(const Ids& text, std::int64_t length, std::int64_t document, bool reversed,
                   std::int64_t question) {
  const std::int64_t room = length - kHead - kQuestion, count = (room + document - 1) / document;
  document = room / count;
  const auto from = [&](std::int64_t first, std::int64_t n) {
    return std::span(text).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(n));
  };
  Prompt prompt;
  const auto add = [&](std::span<const std::int32_t> ids) {
    prompt.tokens.insert(prompt.tokens.end(), ids.begin(), ids.end());
  };
  add(from(0, kHead));
  for (std::int64_t d = 0; d < count; ++d) {
    const std::int64_t begin = std::ssize(prompt.tokens);
    add(from(kHead + (reversed ? count - 1 - d : d) * document, document));
    prompt.documents.push_back({.begin = begin, .end = std::ssize(prompt.tokens)});
  }
  add(from(question * kQuestion + 7, kQuestion));
  return prompt;
}

double divergence(const at::Tensor& from, const at::Tensor& logits) {
  const at::Tensor p = at::log_softmax(from.to(at::kDouble), 0);
  const at::Tensor q = at::log_softmax(logits.to(at::kDouble), 0);
  return (p.exp() * (p - q)).sum().item<double>();
}

std::unique_ptr<MethodRuntime> make(const std::string& name) {
  const auto choice = methods::parse_method(name);
  SCSIM_CHECK(choice.has_value());
  return methods::make_runtime(*choice);
}

void check_answers(Model& model, const Ids& text) {
  const Prompt prompt = make_prompt(text, 700, 200, true, 1);
  const auto full = make("full");
  const at::Tensor expected = run_once(model, *full, prompt).logits;
  for (const char* name : {"cacheblend:ratio=1", "epic:first=200", "prefix_cache"}) {
    const auto method = make(name);
    for (int i = 0; i < 2; ++i) {
      const at::Tensor logits = run_once(model, *method, prompt).logits;
      SCSIM_CHECK_LE((logits - expected).abs().max().item<double>(), 1e-2);
    }
  }
}

// A method, and the prompts that one object of it meets in turn: the first is the cold one.
struct Row {
  std::string name;
  Run best = {};
};
struct Contestant {
  std::string method;
  std::vector<std::pair<Row, bool>> rows;  // and whether the documents come in reverse order
  Run cold = {};
};

void print_row(const Row& row, const Run& cold, const Run& base, bool comparable) {
  const Run& run = row.best;
  const auto part = [&](const char* name) {
    const auto found = run.parts.find(name);
    return found == run.parts.end() ? 0 : found->second * 1e3;
  };
  const auto milliseconds = [](double seconds) {
    return seconds < 1e6 ? fmt::format("{:.0f}", seconds * 1e3) : std::string("-");
  };
  fmt::print(
      "{:<26} {:>8.0f} {:>7.2f} {:>8} {:>7.1f} {:>7.1f} {:>8.1f} {:>8.1f} {:>7.0f} {:>7.0f} ",
      row.name, run.seconds * 1e3, base.seconds / run.seconds, milliseconds(cold.seconds),
      100 * run.rows / base.rows, 100 * run.pairs / base.pairs, run.operations / 1e9,
      run.operations / run.seconds / 1e9, part("stored chunks"), part("comparison"));
  if (!comparable) {
    fmt::print("{:>9} {:>4}\n", "-", "-");
    return;
  }
  fmt::print("{:>9.2g} {:>4}\n", std::max(0.0, divergence(base.logits, run.logits)),
             base.logits.argmax().equal(run.logits.argmax()) ? "yes" : "no");
}

void measure_length(Model& model, const Ids& text, std::int64_t length, std::int64_t document,
                    int runs) {
  std::vector<Contestant> contestants = {
      {"full", {{{"full"}, true}}},
      {"prefix_cache", {{{"prefix_cache, same order"}, false}, {{"prefix_cache"}, true}}},
      {"cacheblend:ratio=0.15", {{{"cacheblend, 15 %"}, true}}},
      {"epic", {{{"epic, 16"}, true}}}};
  const Prompt first = make_prompt(text, length, document, false, 1);
  for (int i = 0; i < runs; ++i) {
    for (Contestant& contestant : contestants) {
      const auto method = make(contestant.method);
      if (contestant.method != "full") {
        Run cold = run_once(model, *method, first);
        if (cold.seconds < contestant.cold.seconds) contestant.cold = std::move(cold);
      }
      for (auto& [row, reversed] : contestant.rows) {
        Run run = run_once(model, *method, make_prompt(text, length, document, reversed, 2));
        if (run.seconds < row.best.seconds) row.best = std::move(run);
      }
    }
  }
  fmt::print("\n{} tokens: {} documents of {}\n", first.tokens.size(), first.documents.size(),
             first.documents[0].end - first.documents[0].begin);
  fmt::print("{:<26} {:>8} {:>7} {:>8} {:>7} {:>7} {:>8} {:>8} {:>7} {:>7} {:>9} {:>4}\n", "method",
             "TTFT ms", "x full", "cold ms", "rows %", "pairs %", "GFLOP", "GFLOP/s", "stored",
             "compare", "KL", "top");
  const Run& base = contestants.front().rows.front().first.best;
  for (const Contestant& contestant : contestants) {
    for (const auto& [row, reversed] : contestant.rows) {
      print_row(row, contestant.cold, base, reversed);
    }
  }
  std::fflush(stdout);
}

int main_of(std::span<char*> arguments) {
  std::string path;
  std::vector<std::int64_t> lengths;
  std::int64_t document = 512;
  int runs = 3;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string text = arguments[i];
    if (text == "--runs" && i + 1 < arguments.size()) {
      runs = std::max(1, std::atoi(arguments[++i]));
    } else if (text == "--document" && i + 1 < arguments.size()) {
      document = std::max(1, std::atoi(arguments[++i]));
    } else if (path.empty()) {
      path = text;
    } else {
      lengths.push_back(std::atoll(text.c_str()));
    }
  }
  if (path.empty() || lengths.empty() || std::ranges::min(lengths) <= kHead + kQuestion) {
    fmt::print(stderr,
               "bench_reuse MODEL LENGTH... [--runs N] [--document N], of more than {} tokens\n",
               kHead + kQuestion);
    return 2;
  }
  const Expected<LoadedModel> model = load_model(path, ModelOptions{});
  if (!model) {
    fmt::print(stderr, "{}\n", model.error().message);
    return 1;
  }
  const Ids text = some_text(*model, std::max<std::int64_t>(1000, std::ranges::max(lengths)));
  check_answers(*model->model, text);
  fmt::print("{}, {} threads, best of {} runs\n", model->description.name, at::get_num_threads(),
             runs);
  for (const std::int64_t length : lengths) {
    measure_length(*model->model, text, length, document, runs);
  }
  return 0;
}

}  // namespace
}  // namespace scsim::exec

int main(int argc, char** argv) {
  return scsim::exec::main_of(std::span(argv, static_cast<std::size_t>(argc)).subspan(1));
}
