// Where the documents of a prompt are: those of a text that was cut, and a task's context.
#include <catch2/catch.hpp>

#include "exec/session/encode_session.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace scsim::exec {
namespace {

Tokenizer byte_tokenizer() {
  const test::TemporaryFolder folder;
  test::write_tiny_model(folder.path());
  Expected<Tokenizer> tokenizer = load_tokenizer_json(folder.file("tokenizer.json"));
  REQUIRE(tokenizer.has_value());
  return *std::move(tokenizer);
}

std::string text_of(const Tokenizer& tokenizer, const std::vector<std::int32_t>& ids,
                    const TokenRange& range) {
  return tokenizer.decode(std::span(ids).subspan(static_cast<std::size_t>(range.begin),
                                                 static_cast<std::size_t>(range.end - range.begin)),
                          true);
}
std::string text_of(const Tokenizer& tokenizer, const std::vector<std::int32_t>& ids) {
  return tokenizer.decode(ids, true);
}

TEST_CASE("each question sees the documents beginning with the next one", "[exec][session]") {
  const Tokenizer tokenizer = byte_tokenizer();
  const Expected<ChatTemplate> chat = ChatTemplate::recognise(tokenizer.chat_template());
  REQUIRE(chat.has_value());
  const std::vector<std::string> documents = {"The first.", "A second one", "3"};
  const std::vector<std::string> questions = {"Who?", "And when?", "Why?", "Who again?"};
  for (const ChatTemplate* around : {static_cast<const ChatTemplate*>(nullptr), &*chat}) {
    const auto session =
        encode_documents(documents, questions, tokenizer, around, SessionMode::kMultiRequest, 9);
    REQUIRE(session.has_value());
    CHECK(session->context.empty());
    REQUIRE(session->turns.size() == questions.size());
    for (std::size_t t = 0; t < questions.size(); ++t) {
      const TokenTurn& turn = session->turns[t];
      std::string text;
      REQUIRE(turn.documents.size() == 3);
      for (std::size_t d = 0; d < 3; ++d) {
        const std::string& document = documents[(t + d) % 3];
        text += (d == 0 ? "" : "\n\n") + document;
        CHECK(text_of(tokenizer, turn.prompt, turn.documents[d]) == document + "\n\n");
      }
      // The prompt is what a text of these documents in this order would be asked with.
      const auto one =
          encode_questions(text, {questions[t]}, tokenizer, around, SessionMode::kMultiTurn, 9);
      REQUIRE(one.has_value());
      CHECK(text_of(tokenizer, turn.prompt) == text_of(tokenizer, one->turns[0].prompt));
      CHECK(turn.stops == one->turns[0].stops);
    }
  }
}

TEST_CASE("a conversation about documents has them once, at its beginning", "[exec][session]") {
  const Tokenizer tokenizer = byte_tokenizer();
  const auto session = encode_documents({"one", "two"}, {"Who?", "When?"}, tokenizer, nullptr,
                                        SessionMode::kMultiTurn, 9);
  const auto whole = encode_questions("one\n\ntwo", {"Who?", "When?"}, tokenizer, nullptr,
                                      SessionMode::kMultiTurn, 9);
  REQUIRE(session.has_value());
  REQUIRE(session->turns.size() == 2);
  for (std::size_t t = 0; t < 2; ++t) {
    CHECK(text_of(tokenizer, session->turns[t].prompt) ==
          text_of(tokenizer, whole->turns[t].prompt));
  }
  REQUIRE(session->turns[0].documents.size() == 2);
  CHECK(text_of(tokenizer, session->turns[0].prompt, session->turns[0].documents[1]) == "two\n\n");
  CHECK(session->turns[1].documents.empty());
}

TEST_CASE("a task's context is a document, whatever stands around it", "[exec][session]") {
  const Tokenizer tokenizer = byte_tokenizer();
  const Expected<ChatTemplate> chat = ChatTemplate::recognise(tokenizer.chat_template());
  REQUIRE(chat.has_value());
  const Expected<TaskSession> task =
      find_task("kv")->generate({.tokens = 1800, .turns = 2, .seed = 3, .session = 0},
                                Material::find(), [&](std::string_view text) {
                                  return std::ssize(tokenizer.encode(text, SpecialTokens::kAsText));
                                });
  REQUIRE(task.has_value());
  for (const SessionMode mode : {SessionMode::kMultiTurn, SessionMode::kMultiRequest}) {
    for (const bool chats : {false, true}) {
      const PromptStyle style = chats ? PromptStyle::kReleased : PromptStyle::kPlain;
      const PromptPlan plan = plan_prompts(*task, {.style = style, .mode = mode, .chat = chats});
      // Room for all of it, and for half.
      const std::int64_t reserved =
          2 * find_task("kv")->max_new_tokens + (mode == SessionMode::kMultiRequest ? 1000 : 0);
      for (const std::int64_t most : {reserved + 10'000, reserved + 900}) {
        const auto encoded = encode_session(*task, tokenizer, chats ? &*chat : nullptr,
                                            {.style = style, .mode = mode, .max_sequence = most});
        REQUIRE(encoded.has_value());
        const TokenSession& session = encoded->tokens;
        const bool turns = session.context.empty();
        const auto& documents = turns ? session.turns[0].documents : session.documents;
        const auto& tokens = turns ? session.turns[0].prompt : session.context;
        REQUIRE(documents.size() == 1);
        const std::string text = text_of(tokenizer, tokens, documents[0]);
        CHECK((encoded->truncated_tokens > 0) == (most < reserved + 10'000));
        if (encoded->truncated_tokens == 0) {
          CHECK(text == plan.context);
        } else {
          // What is left of it, from its beginning to its end.
          CHECK(text.size() + static_cast<std::size_t>(encoded->truncated_tokens) ==
                plan.context.size());
          CHECK(text.substr(0, 20) == plan.context.substr(0, 20));
          CHECK(text.substr(text.size() - 5) == plan.context.substr(plan.context.size() - 5));
        }
      }
    }
  }
}

}  // namespace
}  // namespace scsim::exec
