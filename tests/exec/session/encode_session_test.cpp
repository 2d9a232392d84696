#include "exec/session/encode_session.h"

#include <catch2/catch.hpp>

#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace scsim::exec {
namespace {

Tokenizer byte_tokenizer() {
  const test::TemporaryFolder folder;
  test::write_tiny_model(folder.path());
  Expected<Tokenizer> tokenizer = load_tokenizer_json(folder.file("tokenizer.json"));
  INFO((tokenizer ? "" : tokenizer.error().message));
  REQUIRE(tokenizer.has_value());
  return *std::move(tokenizer);
}

TaskSession some_session(const Tokenizer& tokenizer, int turns, std::int64_t tokens = 400) {
  const Expected<TaskEntry> task = find_task("kv");
  Expected<TaskSession> session =
      task->generate({.tokens = tokens, .turns = turns, .seed = 3, .session = 0}, Material::find(),
                     [&tokenizer](std::string_view text) {
                       return std::ssize(tokenizer.encode(text, SpecialTokens::kAsText));
                     });
  REQUIRE(session.has_value());
  return *std::move(session);
}

std::string text_of(const Tokenizer& tokenizer, const std::vector<std::int32_t>& ids) {
  return tokenizer.decode(ids, true);
}

TEST_CASE("turns put together are the conversation that the template renders", "[exec][session]") {
  const Tokenizer tokenizer = byte_tokenizer();
  const Expected<ChatTemplate> chat = ChatTemplate::recognise(tokenizer.chat_template());
  REQUIRE(chat.has_value());
  const TaskSession session = some_session(tokenizer, 3);
  const auto encoded = encode_session(session, tokenizer, &*chat,
                                      {.style = PromptStyle::kReleased, .max_sequence = 1'000'000});
  REQUIRE(encoded.has_value());
  std::string text;
  for (const TokenTurn& turn : encoded->tokens.turns) {
    text += text_of(tokenizer, turn.prompt);
    if (&turn != &encoded->tokens.turns.back())
      text += text_of(tokenizer, turn.golden) + text_of(tokenizer, turn.closing);
  }
  const PromptPlan plan = plan_prompts(session, {.style = PromptStyle::kReleased});
  std::vector<Message> messages;
  for (std::size_t t = 0; t < plan.turns.size(); ++t) {
    messages.push_back(
        {.role = Role::kUser, .text = (t == 0 ? plan.context : "") + plan.turns[t].prompt});
    if (t + 1 < plan.turns.size())
      messages.push_back({.role = Role::kAssistant, .text = plan.turns[t].target});
  }
  CHECK(text == *chat->render(messages, true));
  CHECK(encoded->truncated_tokens == 0);
  CHECK(encoded->tokens.context.empty());
}

TEST_CASE("a request behind the context is the single question that the template renders",
          "[exec][session]") {
  const Tokenizer tokenizer = byte_tokenizer();
  const Expected<ChatTemplate> chat = ChatTemplate::recognise(tokenizer.chat_template());
  REQUIRE(chat.has_value());
  const TaskSession session = some_session(tokenizer, 2);
  const EncodeOptions options{.style = PromptStyle::kReleased,
                              .mode = SessionMode::kMultiRequest,
                              .max_sequence = 1'000'000};
  const auto encoded = encode_session(session, tokenizer, &*chat, options);
  REQUIRE(encoded.has_value());
  const PromptPlan plan =
      plan_prompts(session, {.style = PromptStyle::kReleased, .mode = SessionMode::kMultiRequest});
  for (std::size_t t = 0; t < plan.turns.size(); ++t) {
    const std::vector<Message> messages = {
        {.role = Role::kUser, .text = plan.context + plan.turns[t].prompt}};
    CHECK(text_of(tokenizer, encoded->tokens.context) +
              text_of(tokenizer, encoded->tokens.turns[t].prompt) ==
          *chat->render(messages, true));
  }
}

TEST_CASE("plain records follow each other as they are", "[exec][session]") {
  const Tokenizer tokenizer = byte_tokenizer();
  const TaskSession session = some_session(tokenizer, 2);
  const auto encoded = encode_session(session, tokenizer, nullptr,
                                      {.style = PromptStyle::kPlain, .max_sequence = 1'000'000});
  REQUIRE(encoded.has_value());
  const PromptPlan plan = plan_prompts(session, {.style = PromptStyle::kPlain});
  const std::vector<TokenTurn>& turns = encoded->tokens.turns;
  CHECK(text_of(tokenizer, turns[0].prompt) ==
        plan.context + plan.turns[0].prompt + plan.turns[0].lead);
  CHECK(text_of(tokenizer, turns[1].prompt) == plan.turns[1].prompt + plan.turns[1].lead);
  CHECK(text_of(tokenizer, turns[0].golden) == plan.turns[0].target);
  CHECK(text_of(tokenizer, turns[0].closing) == plan.turns[0].closing);
}

TEST_CASE("a context that is too long loses its middle, and its answers with it",
          "[exec][session]") {
  const Tokenizer tokenizer = byte_tokenizer();
  const TaskSession session = some_session(tokenizer, 4, 4000);
  const Expected<TaskEntry> task = find_task("kv");
  const std::int64_t reserved = task->max_new_tokens * 4;
  const auto encoded = encode_session(
      session, tokenizer, nullptr, {.style = PromptStyle::kPlain, .max_sequence = reserved + 500});
  REQUIRE(encoded.has_value());
  CHECK(encoded->context_tokens == 500);
  CHECK(std::ssize(encoded->tokens.turns[0].prompt) == 500);
  CHECK(encoded->truncated_tokens > 3000);
  const std::string kept = text_of(tokenizer, encoded->tokens.turns[0].prompt);
  for (std::size_t t = 0; t < session.turns.size(); ++t) {
    CHECK(encoded->answer_survived[t] ==
          (kept.find(session.turns[t].answers[0]) != std::string::npos));
  }
  const auto refused = encode_session(session, tokenizer, nullptr, {.max_sequence = reserved});
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message.find("too few for the answers of 4 turns") != std::string::npos);
}

TEST_CASE("the longest sequence of a session is counted with its answers", "[exec][session]") {
  TokenSession session{
      .mode = SessionMode::kMultiTurn, .context = {}, .turns = {}, .whole_prompts = false};
  session.turns.push_back(
      {.prompt = {1, 2, 3}, .golden = {4, 5}, .closing = {6}, .stops = {}, .max_new_tokens = 10});
  session.turns.push_back(
      {.prompt = {7}, .golden = {8}, .closing = {}, .stops = {}, .max_new_tokens = 2});
  CHECK(longest_sequence(session, true) == 13);  // 3 + 10, more than 3 + 2 + 1 + 1 + 2
  CHECK(longest_sequence(session, false) == 3 + 10 + 1 + 1 + 2);
  session.mode = SessionMode::kMultiRequest;
  session.context = {9, 9, 9, 9};
  CHECK(longest_sequence(session, true) == 4 + 3 + 10);
}

}  // namespace
}  // namespace scsim::exec
