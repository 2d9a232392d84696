#include "exec/train/training_rows.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "exec/tasks/task.h"
#include "exec/train/model_folder.h"
#include "tests/support/temporary_folder.h"
#include "traces/files.h"

namespace scsim::exec {
namespace {

Tokenizer symbols() {
  const test::TemporaryFolder folder;
  REQUIRE(write_file(folder.file("tokenizer.json"), symbol_tokenizer_json()).has_value());
  Expected<Tokenizer> tokenizer = load_tokenizer_json(folder.file("tokenizer.json"));
  INFO((tokenizer ? "" : tokenizer.error().message));
  REQUIRE(tokenizer.has_value());
  return *tokenizer;
}

std::string text_of(const Tokenizer& tokenizer, const at::Tensor& ids) {
  std::vector<std::int32_t> tokens;
  for (std::int64_t i = 0; i < ids.numel(); ++i) {
    tokens.push_back(static_cast<std::int32_t>(ids[i].item<std::int64_t>()));
  }
  return tokenizer.decode(tokens, false);
}

// The sessions are generated once more and put together by hand.
TEST_CASE("rows are the sessions' texts, and what is learnt is their answers", "[exec][train]") {
  const Tokenizer tokenizer = symbols();
  for (const char* name : {"kv", "prefix_suffix", "vt", "mf", "many_shot"}) {
    INFO(name);
    const RowsWanted wanted{
        .task = name, .length = 120, .turns = 3, .tokens = 500, .seed = 4, .first_session = 11};
    const auto rows = draw_rows(wanted, tokenizer);
    REQUIRE(rows.has_value());
    const at::Tensor flat = rows->tokens.flatten();
    const std::int64_t count = rows->tokens.size(0), longest = rows->tokens.size(1);
    CHECK(count >= 3);
    std::string answers;
    std::size_t answer = 0;
    for (std::int64_t r = 0; r < count; ++r) {
      const auto session = generate_session(
          *find_task(name), PromptStyle::kSymbols,
          {.tokens = 120, .turns = 3, .seed = 4, .session = 11 + static_cast<std::uint64_t>(r)}, {},
          [](std::string_view text) { return std::ssize(text); });
      REQUIRE(session.has_value());
      std::string text = session->context;
      for (const Turn& turn : session->turns) {
        std::string joined = turn.answers.front();
        const bool all = std::string(name) == "vt";
        for (std::size_t i = 1; all && i < turn.answers.size(); ++i)
          joined += " " + turn.answers[i];
        text += turn.question + joined;
        answers += joined;
        REQUIRE(answer < rows->answers.size());
        CHECK(rows->answers[answer++] == std::ssize(joined));
      }
      REQUIRE(std::ssize(text) <= longest);
      CHECK(text_of(tokenizer, rows->tokens[r].narrow(0, 0, std::ssize(text))) == text);
    }
    CHECK(answer == rows->answers.size());
    CHECK(text_of(tokenizer, rows->targets) == answers);
    CHECK((flat.index_select(0, rows->asked + 1).equal(rows->targets)));

    CHECK(count_right(*rows, rows->targets) == std::ssize(rows->answers));
    at::Tensor one_wrong = rows->targets.clone();
    one_wrong[0] += 1;
    CHECK(count_right(*rows, one_wrong) == std::ssize(rows->answers) - 1);
  }
}

TEST_CASE("what does not fit into a row is the task's error", "[exec][train]") {
  const auto rows = draw_rows({.task = "mf", .length = 20, .turns = 5, .tokens = 100}, symbols());
  REQUIRE_FALSE(rows.has_value());
  CHECK(rows.error().message.find("mf in symbols") != std::string::npos);
}

}  // namespace
}  // namespace scsim::exec
