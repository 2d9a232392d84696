#include "sim/main/topics.h"

#include "analysis/study/metrics.h"
#include "analysis/summary.h"
#include "analysis/wording.h"
#include "cost_models/cost_model_table.h"
#include "cost_models/shapes.h"
#include "sim/engine_preset.h"
#include "sim/router.h"
#include "sim/store/eviction.h"
#include "traces/generate.h"
#include "traces/program/columns.h"
#include "traces/proto/cluster.pb.h"
#include "traces/proto/plan.pb.h"
#include "traces/proto/study.pb.h"
#include "traces/text.h"
#include "traces/trace_format.h"
#include "traces/yaml_message.h"

namespace scsim::program {
namespace {

std::string sourced(const std::string& sentence, const std::string& source) {
  return source.empty() ? sentence : sentence + " [" + source + "]";
}

std::string formats_text() {
  std::string text =
      "Formats of `scsim trace import --from FORMAT IN... --out OUT`; options by --set "
      "OPTION=VALUE.\n";
  for (const TraceFormat& format : trace_format_table()) {
    std::vector<Row> rows;
    for (const ImportOption& option : format.options) {
      rows.emplace_back(
          "  " + option.name,
          option.sentence +
              (option.default_value.empty() ? "" : " (" + option.default_value + ")"));
    }
    text += "\n" + two_columns({{format.name, sourced(format.sentence, format.source)}}) +
            two_columns(rows);
  }
  return text;
}

std::string without_trailing_spaces(const std::string& line) {
  return line.substr(0, line.find_last_not_of(' ') + 1);
}

// "key: value" lines of a preset's knobs, side by side for all presets.
std::string knob_table() {
  std::vector<std::vector<std::string>> columns;
  std::string head = std::string(26, ' ');
  for (const sim::EnginePreset& preset : sim::engine_presets()) {
    columns.push_back(split(write_yaml(sim::knobs_as_config(preset.name, preset.knobs)), '\n'));
    head += preset.name + std::string(14 - preset.name.size(), ' ');
  }
  std::string table = without_trailing_spaces(head) + "\n";
  for (std::size_t line = 1; line < columns[0].size(); ++line) {  // the first is the preset's name
    std::string row;
    for (const auto& column : columns) {
      const std::size_t colon = column[line].find(": ");
      if (colon == std::string::npos) continue;
      if (row.empty()) row = "  " + column[line].substr(0, colon) + std::string(24 - colon, ' ');
      const std::string value = column[line].substr(colon + 2);
      row += value + std::string(14 - std::min<std::size_t>(value.size(), 13), ' ');
    }
    if (!row.empty()) table += without_trailing_spaces(row) + "\n";
  }
  return table;
}

std::string engines_text() {
  std::vector<Row> rows;
  for (const sim::EnginePreset& preset : sim::engine_presets()) {
    rows.emplace_back(preset.name, sourced(preset.sentence, preset.source) +
                                       (preset.verified ? "" : " (unverified)"));
  }
  return "Presets that an engine schedules by: `preset` of a pool's `engine`.\n\n" +
         two_columns(rows) + "\nWhat they set:\n\n" + knob_table() +
         "\nEach of which `engine` may set for itself:\n\n" +
         describe_yaml_keys(*proto::EngineConfig::descriptor());
}

std::string cost_models_text() {
  std::vector<Row> rows;
  for (const auto& entry : cost_models::cost_model_table()) {
    rows.emplace_back(entry.name, sourced(entry.sentence, entry.source));
  }
  return "How long a step takes: `cost_model` of a pool.\n\n" + two_columns(rows);
}

std::string gpus_text() {
  std::vector<Row> rows;
  for (const auto& gpu : cost_models::gpu_table()) {
    const std::string shape = gpu.full_name + ": " + format_bytes(gpu.memory.value()) + ", " +
                              analysis::bandwidth_text(gpu.memory_bandwidth.value()) + ", bf16 " +
                              analysis::flops_text(gpu.bf16.value());
    rows.emplace_back(gpu.name, sourced(shape, gpu.source));
  }
  return "`gpu` of a pool.\n\n" + two_columns(rows);
}

std::string models_text() {
  constexpr double kBits = 16;
  std::vector<Row> rows;
  for (const auto& model : cost_models::model_table()) {
    const std::string shape = format_fixed(model.parameters() / 1e9, 2) +
                              " billion parameters, context " + format_integer(model.max_context) +
                              ", KV cache " + format_bytes(model.cache_per_token(kBits).value()) +
                              " a token";
    rows.emplace_back(model.name, sourced(shape, model.source));
  }
  return "`model` of a pool; the path of a Hugging Face config.json serves as well. KV cache at 16 "
         "bits an "
         "element,\nwithout sliding windows and recurrent states.\n\n" +
         two_columns(rows);
}

// Every policy of a table with its parameters.
template <class Entry>
std::string policies_of(const std::vector<Entry>& table) {
  std::string text;
  for (const Entry& entry : table) {
    std::vector<Row> rows;
    for (const sim::PolicyParameter& parameter : entry.parameters) {
      rows.emplace_back("  " + parameter.name, parameter.sentence + " (" +
                                                   format_shortest(parameter.default_value) + "; " +
                                                   format_shortest(parameter.min) + " to " +
                                                   format_shortest(parameter.max) + ")");
    }
    text += "\n" + two_columns({{entry.name, sourced(entry.sentence, entry.source)}}) +
            two_columns(rows);
  }
  return text;
}

std::string routers_text() {
  return "Which engine of a pool a request goes to: `policy` of `router`; `parameters` sets theirs."
         "\n" +
         policies_of(sim::router_table());
}

std::string policies_text() {
  return "What leaves a KV cache that is full: `--policy` of `scsim cache`, as "
         "NAME:PARAMETER=VALUE,...; `eviction`\nof a tier of the store, with "
         "`eviction_parameters`. An oracle knows the future: for `scsim cache` alone.\n" +
         policies_of(sim::eviction_table());
}

std::string metrics_text() {
  std::vector<Row> rows;
  for (const analysis::Definition& definition : analysis::definitions()) {
    rows.emplace_back(definition.term, definition.sentence);
  }
  std::vector<Row> kept;
  for (const analysis::Metric& metric : analysis::metric_table())
    kept.emplace_back(metric.name, metric.sentence);
  return "What the numbers of a report mean.\n\n" + two_columns(rows) +
         "\nWhat `scsim study` keeps of every run:\n\n" + two_columns(kept);
}

std::string cluster_text() {
  return "Keys of cluster.yaml; --set takes them too, such as --set "
         "pools[0].engine.max_sequences=64.\n\n" +
         describe_yaml_keys(*proto::ClusterConfig::descriptor());
}

std::string recipe_text() {
  return "Keys of a recipe of `scsim trace generate`; --set takes them too, such as --set "
         "arrivals.rate=2.\n\n" +
         describe_yaml_keys(recipe_keys());
}

std::string plan_text() {
  return "Keys of plan.yaml; --set takes them too, such as --set load=2.\n\n" +
         describe_yaml_keys(*proto::PlanConfig::descriptor());
}

std::string study_text() {
  return "Keys of study.yaml; --set takes them too, such as --set replicates=5.\n\n" +
         describe_yaml_keys(*proto::StudyConfig::descriptor());
}

}  // namespace

const std::vector<Topic>& scsim_topics() {
  static const std::vector<Topic> all = {
      {"cluster", "keys of cluster.yaml", cluster_text},
      {"cost_models", "how long a step takes", cost_models_text},
      {"engines", "presets of engines, and their knobs", engines_text},
      {"formats", "logs that `scsim trace import` reads, and their options", formats_text},
      {"gpus", "built-in GPUs", gpus_text},
      {"metrics", "what the numbers of a report mean", metrics_text},
      {"models", "built-in models", models_text},
      {"plans", "keys of plan.yaml", plan_text},
      {"policies", "what leaves a KV cache that is full", policies_text},
      {"recipe", "keys of recipes for `scsim trace generate`", recipe_text},
      {"routers", "which engine a request goes to", routers_text},
      {"studies", "keys of study.yaml", study_text},
  };
  return all;
}

}  // namespace scsim::program
