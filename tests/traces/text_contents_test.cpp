#include "traces/text_contents.h"

#include <catch2/catch.hpp>

#include "tests/support/temporary_folder.h"

namespace scsim::test {
namespace {

class Writer {
 public:
  Writer() : writer_(TraceWriter::create(folder_.file("a.pb"), {})) {
    REQUIRE(writer_.has_value());
  }
  TraceWriter& operator*() { return *writer_; }

 private:
  TemporaryFolder folder_;
  Expected<TraceWriter> writer_;
};

Tokens sum(const std::vector<Span>& prompt) {
  Tokens tokens{0};
  for (const Span& span : prompt) tokens += span.count;
  return tokens;
}

std::vector<Span> prompt_of(TextContents& texts, Writer& writer,
                            const std::vector<LoggedMessage>& messages,
                            std::optional<Tokens> counted = std::nullopt) {
  std::vector<Span> prompt;
  texts.append_prompt(messages, counted, *writer, prompt);
  return prompt;
}

TEST_CASE("a text is as long as its characters, not its bytes", "[traces][import]") {
  const TextContents texts(2, false);
  CHECK(texts.estimate("abcd") == Tokens(2));
  CHECK(texts.estimate("abcde") == Tokens(3));
  CHECK(texts.estimate("\u00e4\u6f22\U0001F600x") == Tokens(2));
  CHECK(texts.estimate("") == Tokens(0));
}

TEST_CASE("whatever the log counts, a prompt is that long", "[traces][import]") {
  Writer writer;
  TextContents texts(4, false);
  const std::string shared(1000, 's');
  // Fewer tokens than are known already, more than the text can explain, none for new text, ...
  for (std::int64_t counted : {300, 310, 5, 1, 290, 4000, 251, 300}) {
    for (const std::string& end :
         {std::string(), std::string("x"), std::to_string(counted) + std::string(90, 'y')}) {
      CHECK(sum(prompt_of(texts, writer, {{"user", shared + end}}, Tokens(counted))) ==
            Tokens(counted));
    }
  }
  CHECK(sum(prompt_of(texts, writer, {{"user", ""}}, Tokens(17))) == Tokens(17));
}

TEST_CASE("messages share pieces up to where they differ, never in the middle of a character",
          "[traces][import]") {
  Writer writer;
  TextContents texts(1, true);
  std::string shared;
  for (int i = 0; i < 50; ++i)
    shared += "\u6f22";  // 3 bytes each; pieces of 33 bytes, 11 characters
  const std::vector<Span> first = prompt_of(texts, writer, {{"user", shared + "abc"}});
  const std::vector<Span> second = prompt_of(texts, writer, {{"user", shared + "xyz"}});
  REQUIRE(second.size() == 2);
  CHECK(second[0] == Span{first[0].content, Tokens(0), Tokens(44)});
  CHECK(sum(second) == Tokens(53));
  // The same text of another role is another message.
  CHECK(prompt_of(texts, writer, {{"system", shared + "abc"}})[0].content != first[0].content);
  // The same message elsewhere, twice.
  const std::vector<Span> twice = prompt_of(
      texts, writer, {{"user", "new"}, {"user", shared + "abc"}, {"user", shared + "abc"}});
  REQUIRE(twice.size() == 3);
  CHECK(twice[1] == first[0]);
  CHECK(twice[2] == first[0]);
}

TEST_CASE("an answer that is repeated in a later prompt is the same content", "[traces][import]") {
  Writer writer;
  TextContents texts(4, true);
  const LoggedMessage answer{"assistant", std::string(100, 'a')};
  const ContentId first = texts.add_answer(answer, Tokens(31), *writer);
  const std::vector<Span> prompt = prompt_of(texts, writer, {{"user", "why?"}, answer});
  REQUIRE(prompt.size() == 2);
  CHECK(prompt[1] == Span{first, Tokens(0), Tokens(31)});
  CHECK(texts.add_answer(answer, Tokens(31), *writer) == first);
  CHECK(texts.add_answer(answer, Tokens(30), *writer) != first);
  CHECK(texts.add_answer({"assistant", ""}, Tokens(4), *writer) !=
        texts.add_answer({"assistant", ""}, Tokens(4), *writer));
}

}  // namespace
}  // namespace scsim::test
