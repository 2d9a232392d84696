#include "exec/main/topics.h"

#include "exec/scorers/scorer.h"
#include "exec/session/kernel_sweep.h"
#include "exec/tasks/task.h"
#include "exec/text/chat_template.h"
#include "exec/train/recipe.h"
#include "methods/method.h"
#include "traces/report/text_table.h"
#include "traces/text.h"
#include "traces/yaml_message.h"

namespace scsim::exec {
namespace {

std::string tasks_text() {
  std::string text;
  for (const TaskEntry& task : task_table()) {
    text += wrapped(task.name + "  ", task.paper_name + ", " +
                                          std::string(capability_name(task.capability)) + ": " +
                                          task.sentence + "; generated from " + task.made_of);
  }
  return text;
}

// The default, and what there is besides.
std::string values_text(const methods::MethodParameter& parameter) {
  if (parameter.is_text) return "none unless given";
  if (parameter.choices.empty()) {
    return format_shortest(parameter.default_value) + "; " + format_shortest(parameter.min) +
           " to " + format_shortest(parameter.max);
  }
  std::string text = parameter.choices.at(static_cast<std::size_t>(parameter.default_value)) + ";";
  for (const std::string& choice : parameter.choices) text += " " + choice;
  return text;
}

std::string methods_text() {
  std::string text;
  for (const methods::MethodEntry& method : methods::method_table()) {
    text += wrapped(method.name + "  ",
                    method.sentence + " (" + method.category + "; " + method.source + ")");
    for (const methods::MethodParameter& parameter : method.parameters) {
      text += wrapped("    " + parameter.name + "  ",
                      parameter.sentence + " (" + values_text(parameter) + ")");
    }
    for (const methods::MethodPreset& preset : method.presets) {
      text += wrapped("    preset=" + preset.name + "  ", preset.sentence);
    }
  }
  return text;
}

std::string scorers_text() {
  std::string text;
  for (const ScorerEntry& scorer : scorer_table()) {
    text += wrapped(scorer.name + "  ", scorer.sentence + " (" + scorer.source + ")");
  }
  return text;
}

std::string lines_of(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += name + "\n";
  return text;
}

}  // namespace

const std::vector<program::Topic>& scexec_topics() {
  static const std::vector<program::Topic> topics = {
      {"tasks", "what models are asked", tasks_text},
      {"methods", "long-context methods and their parameters", methods_text},
      {"scorers", "how answers are scored, by two rules each", scorers_text},
      {"templates", "chat templates that are known",
       [] { return lines_of(ChatTemplate::names()); }},
      {"training", "recipe.yaml of `scexec train`",
       [] { return describe_yaml_keys(*proto::TrainingRecipe::descriptor()); }},
      {"operators", "what `scexec kernels` measures", [] { return lines_of(kernel_names()); }}};
  return topics;
}

}  // namespace scsim::exec
