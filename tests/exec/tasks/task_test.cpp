#include "tests/exec/tasks/sample.h"

namespace scsim::exec::test {

TEST_CASE("the table has SCBench's twelve tasks in its four groups", "[exec][tasks]") {
  std::map<Capability, int> groups;
  std::set<std::string> names;
  for (const TaskEntry& entry : task_table()) {
    ++groups[entry.capability];
    CHECK(names.insert(entry.name).second);
    CHECK_FALSE(entry.sentence.empty());
    CHECK_FALSE(entry.source.empty());
    CHECK_FALSE(entry.made_of.empty());
    CHECK(entry.plain != nullptr);
    CHECK(entry.generate != nullptr);
    CHECK_FALSE(capability_name(entry.capability).empty());
    std::int64_t sum = 0;
    for (const auto& [sub_task, limit] : entry.sub_tasks) {
      CHECK(entry.limit_of(sub_task) == limit);
      sum += limit;
    }
    if (sum > 0) CHECK(sum == entry.max_new_tokens);
  }
  CHECK(names.size() == 12);
  CHECK(groups[Capability::kStringRetrieval] == 3);
  CHECK(groups[Capability::kSemanticRetrieval] == 4);
  CHECK(groups[Capability::kGlobalInformation] == 3);
  CHECK(groups[Capability::kMultiTasking] == 2);
}

TEST_CASE("limits of new tokens are the published ones", "[exec][tasks]") {
  const std::map<std::string, std::int64_t> limits = {{"kv", 150},
                                                      {"prefix_suffix", 150},
                                                      {"vt", 30},
                                                      {"repoqa", 1024},
                                                      {"qa_eng", 40},
                                                      {"qa_chn", 40},
                                                      {"choice_eng", 40},
                                                      {"mf", 5},
                                                      {"many_shot", 10},
                                                      {"summary", 200},
                                                      {"summary_with_needles", 815},
                                                      {"repoqa_and_kv", 1104}};
  for (const TaskEntry& entry : task_table()) CHECK(entry.max_new_tokens == limits.at(entry.name));
}

TEST_CASE("a task is found by any of its names, and a near one is offered", "[exec][tasks]") {
  CHECK(task("kv").paper_name == "Retr.KV");
  CHECK(task("scbench_kv").name == "kv");
  CHECK(task("Mix.Sum+NIAH").name == "summary_with_needles");
  CHECK(find_task("sumary").error().message.find("did you mean \"summary\"?") != std::string::npos);
}

TEST_CASE("generators want at least one turn and one token", "[exec][tasks]") {
  for (const TaskEntry& entry : task_table()) {
    CHECK_FALSE(entry.generate({.tokens = 1000, .turns = 0}, {}, count_tokens));
    CHECK_FALSE(entry.generate({.tokens = 0, .turns = 5}, {}, count_tokens));
  }
}

}  // namespace scsim::exec::test
