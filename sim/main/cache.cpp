// `scsim cache X.pb`: what a cache of some size finds, by policy, without engines and clock.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <thread>

#include "analysis/cache_report.h"
#include "cost_models/cost_model_table.h"
#include "sim/main/commands.h"
#include "sim/main/trace_arguments.h"
#include "sim/store/cache_study.h"
#include "traces/files.h"
#include "traces/program/out_folder.h"
#include "traces/program/terminal.h"
#include "traces/text.h"

namespace scsim::program {
namespace {

struct CacheArguments {
  std::string trace, evict = "tree", tail = "in", curve, out, model, gpu;
  std::vector<std::string> policies, capacities, sizes;
  std::optional<std::int64_t> block_tokens, threads;
  bool outputs = false, isolate = false, all_points = false, json = false, quiet = false;
};

constexpr double kCacheBits = 16;

// "1000,10000", "unlimited"
Expected<void> add_capacities(const std::string& text, std::vector<std::int64_t>& capacities) {
  for (const std::string& word : split(text, ',')) {
    const std::string each(trim(word));
    const auto blocks =
        each == "unlimited" ? Expected<std::int64_t>(sim::kRoomForAll) : parse_integer(each);
    if (!blocks || *blocks < 1) {
      return Error{"--capacity-blocks: \"" + each +
                   "\": expected numbers of blocks, 1 or more, or unlimited"};
    }
    capacities.push_back(*blocks);
  }
  return {};
}

// "64GiB", of KV of the model.
Expected<void> add_sizes(const std::string& text, const cost_models::ModelShape& model,
                         std::int64_t block_tokens, std::vector<std::int64_t>& capacities) {
  if (model.has_recurrent_layers()) {
    return Error{"--capacity: " + model.name +
                 " has recurrent layers, whose state is not kept in blocks"};
  }
  const double block =
      model.cache_per_token(kCacheBits).value() * static_cast<double>(block_tokens);
  for (const std::string& word : split(text, ',')) {
    const auto bytes = parse_bytes(trim(word));
    if (!bytes) return Error{"--capacity: " + bytes.error().message};
    const double blocks = std::floor(*bytes / block);
    if (!(blocks >= 1 && blocks < 1e18)) {
      return Error{"--capacity: \"" + std::string(trim(word)) + "\": expected one block, " +
                   format_bytes(block) + ", or more"};
    }
    capacities.push_back(static_cast<std::int64_t>(blocks));
  }
  return {};
}

// Seconds to compute tokens again, by the roofline: what some policies weigh.
Expected<void> use_cost_model(const std::string& model_name, const std::string& gpu_name,
                              sim::CacheStudyOptions& options) {
  auto model = cost_models::find_model(model_name);
  if (!model) return Error{"--model: " + model.error().message};
  auto gpu = cost_models::find_gpu(gpu_name);
  if (!gpu) return Error{"--gpu: " + gpu.error().message};
  const auto precision = cost_models::make_precision(model->default_weight_dtype, "bf16");
  if (!precision) return precision.error();
  auto made = cost_models::make_cost_model("roofline",
                                           {*gpu, *model, {}, *precision, Seconds(0), Seconds(0)});
  if (!made) return made.error();
  const std::shared_ptr<const cost_models::StepCostModel> cost_model = *std::move(made);
  options.recompute_seconds = [cost_model](std::int64_t from, std::int64_t tokens) {
    return cost_models::prefill_seconds(*cost_model, from, tokens);
  };
  for (const std::string& line : cost_model->honesty()) {
    options.recompute_honesty += (options.recompute_honesty.empty() ? "" : "; ") + line;
  }
  return {};
}

Expected<sim::CacheStudyOptions> study_options(const CacheArguments& arguments) {
  sim::CacheStudyOptions options;
  options.keeping.block_tokens = arguments.block_tokens.value_or(512);
  options.keeping.tail = arguments.tail == "in";
  options.keeping.outputs = arguments.outputs;
  options.keeping.isolate_tenants = arguments.isolate;
  options.flat = arguments.evict == "flat";
  options.all_points = arguments.all_points;
  options.threads = static_cast<int>(std::min<std::int64_t>(
      arguments.threads.value_or(std::max(std::thread::hardware_concurrency(), 1U)), 1024));

  std::string policies;
  for (const std::string& each : arguments.policies)
    policies += (policies.empty() ? "" : ",") + each;
  auto parsed = sim::parse_cache_policies(arguments.policies.empty() ? "lru" : policies);
  if (!parsed) return Error{"--policy: " + parsed.error().message};
  options.policies = *std::move(parsed);

  for (const std::string& each : arguments.capacities) {
    if (const auto added = add_capacities(each, options.capacities); !added) return added.error();
  }
  const std::string model_name = arguments.model.empty() ? "llama-3.1-8b" : arguments.model;
  if (const auto used =
          use_cost_model(model_name, arguments.gpu.empty() ? "h200" : arguments.gpu, options);
      !used)
    return used.error();
  if (!arguments.sizes.empty() && arguments.model.empty())
    return Error{
        "--capacity: needs --model MODEL, whose KV cache it is to be; or give "
        "--capacity-blocks"};
  for (const std::string& each : arguments.sizes) {
    const auto added = add_sizes(each, *cost_models::find_model(model_name),
                                 options.keeping.block_tokens, options.capacities);
    if (!added) return added.error();
  }
  return options;
}

ExitCode cache(const CacheArguments& arguments) {
  auto options = study_options(arguments);
  if (!options) return fail(options.error().message, ExitCode::kUsageError);
  if (!arguments.out.empty()) {
    if (const auto writable = check_out_folder(arguments.out); !writable)
      return fail(writable.error());
  }
  Progress progress("counting", "", !arguments.quiet);
  options->progress = [&](double part) { progress.update(part, 0); };
  const auto study = sim::study_cache(arguments.trace, *options);
  progress.done();
  if (!study) return fail(study.error());

  std::vector<std::string> written;
  {
    const NoInterrupts until_all_is_written;
    if (!arguments.curve.empty()) {
      const auto done = write_file(arguments.curve, analysis::cache_curve_csv(*study));
      if (!done) return fail(done.error());
      written.push_back(arguments.curve);
    }
    if (!arguments.out.empty()) {
      auto paths = analysis::write_cache_outputs(*study, arguments.out);
      if (!paths) return fail(paths.error());
      written.insert(written.end(), paths->begin(), paths->end());
    }
  }
  if (arguments.quiet) return ExitCode::kOk;
  if (arguments.json) {
    std::fputs(analysis::cache_json(*study).c_str(), stdout);
    return ExitCode::kOk;
  }
  std::fputs(analysis::cache_text(*study).c_str(), stdout);
  for (const std::string& path : written) std::printf("wrote %s\n", path.c_str());
  return ExitCode::kOk;
}

template <class Table>
std::vector<std::string> names_of(const Table& table) {
  std::vector<std::string> names;
  for (const auto& entry : table) names.push_back(entry.name);
  return names;
}

}  // namespace

Command cache_command() {
  auto arguments = std::make_shared<CacheArguments>();
  std::vector<std::string> policies = names_of(sim::eviction_table());
  policies.push_back("all");
  return {
      .name = "cache",
      .sentence = "what a KV cache finds, by eviction policy and capacity, without engines",
      .arguments =
          {trace_argument(arguments->trace),
           {.name = "--policy",
            .value_name = "A,B",
            .into = &arguments->policies,
            .sentence = "eviction policies, as NAME:PARAMETER=VALUE or NAME: `scsim help "
                        "policies`; or all; lru unless given",
            .offers = std::move(policies)},
           {.name = "--capacity-blocks",
            .value_name = "N,M",
            .into = &arguments->capacities,
            .sentence = "capacities in blocks, or unlimited; a ladder of them unless given",
            .offers = {"unlimited"}},
           {.name = "--capacity",
            .value_name = "SIZE",
            .into = &arguments->sizes,
            .sentence = "capacities in bytes of the KV cache of --model at 16 bits, such as 64GiB"},
           {.name = "--block-tokens",
            .value_name = "N",
            .into = &arguments->block_tokens,
            .sentence = "tokens in a block; 512 unless given",
            .min = 1},
           {.name = "--evict",
            .value_name = "WHAT",
            .into = &arguments->evict,
            .sentence =
                "tree: leaves of the prefix tree first, and a hit is a prefix; flat: blocks "
                "forget that they are a tree; tree unless given",
            .choices = {"tree", "flat"}},
           {.name = "--tail",
            .value_name = "IN",
            .into = &arguments->tail,
            .sentence = "whether the partly filled block at a prompt's end is a block; in unless "
                        "given",
            .choices = {"in", "out"}},
           {.name = "--outputs",
            .into = &arguments->outputs,
            .sentence = "keep answers behind their prompts"},
           {.name = "--isolate-tenants",
            .into = &arguments->isolate,
            .sentence = "no tenant finds what another one's requests left"},
           {.name = "--model",
            .value_name = "MODEL",
            .into = &arguments->model,
            .sentence = "whose KV it is, for --capacity and for what computing it again takes; "
                        "llama-3.1-8b unless given",
            .offers = names_of(cost_models::model_table())},
           {.name = "--gpu",
            .value_name = "GPU",
            .into = &arguments->gpu,
            .sentence = "that would compute it again; h200 unless given",
            .offers = names_of(cost_models::gpu_table())},
           {.name = "--curve",
            .value_name = "FILE",
            .into = &arguments->curve,
            .sentence = "write what lru finds (leaves first) at many capacities, as CSV",
            .completes = Completes::kFile},
           {.name = "--all-points",
            .into = &arguments->all_points,
            .sentence = "of the curve: every capacity at which more is found; else all up to 64, "
                        "32 in each doubling, and those of --capacity-blocks"},
           {.name = "--out,-o",
            .value_name = "DIR",
            .into = &arguments->out,
            .sentence = "write cache.json, curve.csv and report.html there",
            .completes = Completes::kFolder},
           {.name = "--json", .into = &arguments->json, .sentence = "print JSON"},
           {.name = "--threads",
            .value_name = "N",
            .into = &arguments->threads,
            .sentence = "runs at a time, one for each policy and capacity; the cores unless given",
            .min = 1},
           quiet_flag(arguments->quiet)},
      .run = [arguments] { return cache(*arguments); }};
}

}  // namespace scsim::program
