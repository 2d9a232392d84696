#include "exec/serve/openai_api.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <vector>

#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace scsim::exec {
namespace {

// Two tokens, and then nothing: at its limit, or because the engine broke.
class TwoTokens final : public AnswerStream {
 public:
  explicit TwoTokens(bool breaks) : breaks_(breaks) {}
  std::optional<std::int32_t> next() override {
    return given_ == 2 ? std::nullopt : std::optional<std::int32_t>(10 + given_++);
  }
  void cancel() override {}
  std::int64_t cached_tokens() const override { return 0; }
  bool complete() const override { return false; }
  bool failed() const override { return breaks_ && given_ == 2; }

 private:
  bool breaks_;
  std::int32_t given_ = 0;
};

class SomeAnswerer final : public Answerer {
 public:
  explicit SomeAnswerer(bool breaks) : breaks_(breaks) {}
  std::shared_ptr<AnswerStream> ask(Ask, Refused&) override {
    return std::make_shared<TwoTokens>(breaks_);
  }
  AnswererCounts counts() const override { return {}; }
  std::string failure() const override { return breaks_ ? "no KV page is left" : ""; }

 private:
  bool breaks_;
};

struct Heard final : public HttpReply {
  unsigned status = 0;
  std::string body;
  std::vector<std::string> events;
  bool ended = false;
  void send(unsigned code, std::string_view, std::string_view text) override {
    status = code;
    body = text;
  }
  bool begin_events() override { return true; }
  bool event(std::string_view data) override {
    events.emplace_back(data);
    return true;
  }
  void end_events() override { ended = true; }
};

Heard asked(bool breaks, const std::string& method, const std::string& target,
            const std::string& body = "") {
  const test::TemporaryFolder folder;
  test::write_tiny_model(folder.path());
  const auto tokenizer = load_tokenizer_json(folder.file("tokenizer.json"));
  REQUIRE(tokenizer);
  SomeAnswerer answerer(breaks);
  const OpenAiApi api({.model = "tiny"}, *tokenizer, nullptr, answerer);
  Heard heard;
  api.handle({.method = method, .target = target, .authorization = "", .body = body}, heard);
  return heard;
}

TEST_CASE("an answer that the engine did not finish is an error, not a short answer",
          "[exec][serve]") {
  const std::string body = R"({"prompt": [1, 2], "max_tokens": 5})";
  const Heard whole = asked(false, "POST", "/v1/completions", body);
  CHECK(whole.status == 200);
  CHECK(nlohmann::json::parse(whole.body)["choices"][0]["finish_reason"] == "length");
  const Heard broken = asked(true, "POST", "/v1/completions", body);
  CHECK(broken.status == 500);
  CHECK(nlohmann::json::parse(broken.body)["error"]["message"] == "no KV page is left");

  const std::string streamed = R"({"prompt": [1, 2], "max_tokens": 5, "stream": true})";
  CHECK(asked(false, "POST", "/v1/completions", streamed).events.back() == "[DONE]");
  const Heard torn = asked(true, "POST", "/v1/completions", streamed);
  CHECK(torn.ended);
  CHECK(nlohmann::json::parse(torn.events.back())["error"]["type"] == "server_error");
}

TEST_CASE("a server whose engine broke is not healthy", "[exec][serve]") {
  CHECK(asked(false, "GET", "/health").status == 200);
  const Heard broken = asked(true, "GET", "/health");
  CHECK(broken.status == 503);
  CHECK(broken.body == "no KV page is left\n");
}

}  // namespace
}  // namespace scsim::exec
