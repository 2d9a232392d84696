#include "exec/tasks/task.h"

#include "traces/check.h"
#include "traces/text.h"

namespace scsim::exec {

std::string_view capability_name(Capability capability) {
  switch (capability) {
    case Capability::kStringRetrieval:
      return "string retrieval";
    case Capability::kSemanticRetrieval:
      return "semantic retrieval";
    case Capability::kGlobalInformation:
      return "global information";
    case Capability::kMultiTasking:
      return "multi-tasking";
  }
  check_failed(__FILE__, __LINE__, "no such capability");
}

std::int64_t TaskEntry::limit_of(std::string_view sub_task) const {
  if (sub_tasks.empty()) return max_new_tokens;
  for (const auto& [known, limit] : sub_tasks) {
    if (known == sub_task) return limit;
  }
  check_failed(__FILE__, __LINE__, name + " has no sub-task " + std::string(sub_task));
}

Expected<TaskEntry> find_task(std::string_view name) {
  std::vector<std::string> known;
  for (const TaskEntry& entry : task_table()) {
    if (name == entry.name || name == "scbench_" + entry.name || name == entry.paper_name) {
      return entry;
    }
    known.push_back(entry.name);
  }
  return Error{unknown_name("task", name, known)};
}

Expected<void> check_style(const TaskEntry& task, PromptStyle style) {
  if (style != PromptStyle::kSymbols || task.generate_in_symbols) return {};
  std::string known;
  for (const TaskEntry& entry : task_table()) {
    if (entry.generate_in_symbols) known += (known.empty() ? "" : ", ") + entry.name;
  }
  return Error{"there are no sessions of " + task.name +
               " in symbols; tasks that have them: " + known};
}

Expected<TaskSession> generate_session(const TaskEntry& task, PromptStyle style,
                                       const GenerateRequest& request, const Material& material,
                                       const CountTokens& count) {
  if (style != PromptStyle::kSymbols) return task.generate(request, material, count);
  if (Expected<void> known = check_style(task, style); !known) return known.error();
  Expected<TaskSession> session = task.generate_in_symbols(request, count);
  if (session) session->in_symbols = true;
  return session;
}

}  // namespace scsim::exec
