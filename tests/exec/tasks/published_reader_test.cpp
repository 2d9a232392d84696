#include "exec/tasks/published_reader.h"

#include <fstream>

#include "tests/exec/tasks/sample.h"

namespace scsim::exec::test {
namespace {

class Rows {
 public:
  explicit Rows(const std::string& text) : path_(folder_.file("rows.jsonl")) {
    std::ofstream(path_) << text;
  }
  Expected<std::vector<TaskSession>> read(std::string_view task, std::size_t most = 0) const {
    return read_published(path_, task, most);
  }
  std::string error(std::string_view task) const {
    const Expected<std::vector<TaskSession>> sessions = read(task);
    REQUIRE_FALSE(sessions);
    return sessions.error().message.substr(sessions.error().message.find("rows.jsonl"));
  }
  const std::string& path() const { return path_; }

 private:
  scsim::test::TemporaryFolder folder_;
  std::string path_;
};

}  // namespace

TEST_CASE("official rows: context, turns, ids", "[exec][tasks]") {
  const Rows rows(
      R"({"id": 4, "context": "JSON data:\n{}", "multi_turns": [{"input": "\nKey: \"k\"", "answer": "v"}, {"input": "q", "answer": "w"}]})"
      "\n"
      R"({"context": "no id", "multi_turns": [{"input": "q", "answer": "a"}]})"
      "\n");
  const auto sessions = rows.read("kv");
  REQUIRE(sessions);
  REQUIRE(sessions->size() == 2);
  const TaskSession& first = (*sessions)[0];
  CHECK(first.task == "kv");
  CHECK(first.id == "4");
  CHECK(first.provenance == "published: " + rows.path() + ":1");
  CHECK(first.context == "JSON data:\n{}");
  REQUIRE(first.turns.size() == 2);
  CHECK(first.turns[0].question == "\nKey: \"k\"");
  CHECK(first.turns[1].answers == std::vector<std::string>{"w"});
  CHECK(first.turns[1].max_new_tokens == 150);
  CHECK((*sessions)[1].id == "1");
  CHECK(rows.read("kv", 1)->size() == 1);
}

TEST_CASE("official rows: numbers as context and answer, lists as answers, input as context",
          "[exec][tasks]") {
  const auto mf =
      Rows(
          R"({"id": 0, "context": [3, 1, 2], "multi_turns": [{"input": "The largest number of the list is", "answer": 3}]})")
          .read("mf");
  REQUIRE(mf);
  CHECK((*mf)[0].context == "[3, 1, 2]");
  CHECK((*mf)[0].turns[0].answers == std::vector<std::string>{"3"});

  const auto vt =
      Rows(
          R"({"index": 7, "input": "VAR A = 1", "length": 9, "multi_turns": [{"input": "Q", "answer": ["A", "B"]}]})")
          .read("scbench_vt");
  REQUIRE(vt);
  CHECK((*vt)[0].context == "VAR A = 1");
  CHECK((*vt)[0].turns[0].answers == std::vector<std::string>{"A", "B"});
}

TEST_CASE("official rows: options, functions, sub-tasks", "[exec][tasks]") {
  const auto choice =
      Rows(
          R"({"id": 0, "context": "c", "multi_turns": [{"input": "Q", "answer": "y", "options": ["x", "y", "z", "w"]}]})")
          .read("choice_eng");
  REQUIRE(choice);
  CHECK((*choice)[0].turns[0].options == std::vector<std::string>{"x", "y", "z", "w"});

  const auto mixed =
      Rows(
          R"({"id": 0, "lang": "rust", "repo": "r", "context": "c", "multi_turns": [{"input": "Q", "answer": "fn f() {}", "name": "f", "task": "scbench_repoqa"}, {"input": "K", "answer": "v", "name": null, "task": "scbench_kv"}]})")
          .read("repoqa_and_kv");
  REQUIRE(mixed);
  const TaskSession& session = (*mixed)[0];
  CHECK(session.language == "rust");
  REQUIRE(session.needles.size() == 1);
  CHECK(session.needles[0].name == "f");
  CHECK(session.turns[0].sub_task == "repoqa");
  CHECK(session.turns[1].sub_task == "kv");
  CHECK(session.turns[1].max_new_tokens == 80);
}

TEST_CASE("preprocessed rows: prompts and their truths", "[exec][tasks]") {
  const auto rows =
      Rows(R"({"prompts": ["Read.\n\nbook", "q0", "q1"], "ground_truth": [["a0"], "a1"]})")
          .read("qa_eng");
  REQUIRE(rows);
  const TaskSession& session = (*rows)[0];
  CHECK(session.is_prompt);
  CHECK(session.context == "Read.\n\nbook");
  CHECK(session.turns[1].question == "q1");
  CHECK(session.turns[0].answers == std::vector<std::string>{"a0"});

  const auto mixed =
      Rows(R"({"prompts": ["c", "q0", "q1"], "ground_truth": ["A long summary.", "12345"]})")
          .read("summary_with_needles");
  REQUIRE(mixed);
  CHECK((*mixed)[0].turns[0].sub_task == "summary");
  CHECK((*mixed)[0].turns[1].sub_task == "passkey");
}

TEST_CASE("errors of published rows name file, line and field", "[exec][tasks]") {
  CHECK(Rows("{\"id\": 0}").error("kv").starts_with("rows.jsonl:1: "));
  CHECK(Rows("{\"context\": \"c\", \"multi_turns\": []}").error("kv") ==
        "rows.jsonl:1: multi_turns: expected a list of turns");
  const std::string good =
      "{\"context\": \"c\", \"multi_turns\": [{\"input\": \"q\", \"answer\": \"a\"}]}\n";
  CHECK(Rows(good + "[1]\n").error("kv") == "rows.jsonl:2: expected an object, found a list");
  CHECK(Rows(good + "{nonsense\n").error("kv").starts_with("rows.jsonl:2: not JSON"));
  CHECK(Rows("{\"context\": \"c\", \"multi_turns\": [{\"input\": \"q\"}]}")
            .error("kv")
            .starts_with("rows.jsonl:1: multi_turns[0]: "));
  CHECK(Rows("{\"context\": [1, \"x\"], \"multi_turns\": []}").error("mf") ==
        "rows.jsonl:1: context: expected numbers, found a string");
  CHECK(Rows(good).error("choice_eng") ==
        "rows.jsonl:1: multi_turns[0]: options: expected a list of 4, found 0");
  CHECK(Rows(good).error("repoqa_and_kv").find("expected repoqa or kv, found \"\"") !=
        std::string::npos);
  CHECK(Rows("{\"prompts\": [\"c\"], \"ground_truth\": []}")
            .error("kv")
            .starts_with("rows.jsonl:1: expected a context and a prompt for each"));
  CHECK_FALSE(Rows("").read("kv"));
  CHECK_FALSE(Rows(good).read("kw"));
}

}  // namespace scsim::exec::test
