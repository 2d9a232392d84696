#include "exec/remote/remote_engine.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/exec/remote/model_server.h"

namespace scsim::exec {
namespace {

using nlohmann::json;

using test::http_chunk;
using test::kStreamHead;
using test::whole_answer;

std::string piece(const std::string& text) {
  return "data: " + json{{"choices", {{{"delta", {{"content", text}}}}}}}.dump() + "\n\n";
}

// Ticks at every reading, so that times are counts.
RemoteClock ticking() {
  return [ticks = std::make_shared<double>(0)] { return *ticks += 1; };
}

// Lists a model to whoever asks for them, and leaves the rest to `answer`.
test::TestServer::Answer listing(test::TestServer::Answer answer) {
  return [answer = std::move(answer)](const std::string& request) {
    if (request.starts_with("GET "))
      return std::vector<std::string>{whole_answer("200 OK", R"({"data":[{"id":"m"}]})")};
    return answer(request);
  };
}

Expected<RemoteAnswer> ask(const test::TestServer& server, const RemoteRequest& request) {
  Expected<RemoteEngine> engine = RemoteEngine::connect(
      {.url = server.url(), .api_key = "secret", .model = "m", .timeout_seconds = 0.5}, ticking());
  REQUIRE(engine.has_value());
  return engine->complete(request);
}

TEST_CASE("a streamed answer is put together and timed piece by piece", "[exec][remote]") {
  std::string heard;
  const test::TestServer server(listing([&heard](const std::string& request) {
    heard = request;
    const std::string usage =
        R"({"prompt_tokens":100,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":64}})";
    return std::vector<std::string>{
        kStreamHead,
        http_chunk(": a comment\n\ndata: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n"),
        http_chunk(piece("Good")),
        http_chunk(piece(" morning")),
        http_chunk(piece(", all") +
                   "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"),
        http_chunk("data: {\"choices\":[],\"usage\":" + usage + "}\n\ndata: [DONE]\n\n"),
        "0\r\n\r\n"};
  }));
  const auto answer =
      ask(server, {.messages = {{"user", "Hello \"you\""}}, .max_tokens = 7, .stop = {"\n"}});
  REQUIRE(answer.has_value());
  CHECK(answer->text == "Good morning, all");
  CHECK(answer->finish_reason == "stop");
  REQUIRE(answer->ttft_seconds.has_value());
  CHECK(answer->itl_seconds.size() == 2);
  CHECK(*answer->ttft_seconds + answer->itl_seconds[0] + answer->itl_seconds[1] <
        answer->total_seconds);
  CHECK(answer->usage->prompt_tokens == 100);
  CHECK(answer->usage->completion_tokens == 3);
  CHECK(answer->usage->cached_tokens == 64);
  CHECK(heard.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"));
  CHECK(heard.find("Authorization: Bearer secret") != std::string::npos);
  const json body = json::parse(heard.substr(heard.find("\r\n\r\n") + 4));
  CHECK(body["messages"][0]["content"] == "Hello \"you\"");
  CHECK(body["stream"] == true);
  CHECK(body["stream_options"]["include_usage"] == true);
  CHECK(body["max_tokens"] == 7);
  CHECK(body["stop"][0] == "\n");
}

TEST_CASE("an answer that is cut anywhere into pieces is the same answer", "[exec][remote]") {
  const std::string body = kStreamHead +
                           http_chunk(piece("Gr\xC3\xBC\xC3\x9F"
                                            "e")) +
                           http_chunk("data: [DONE]\n\n") + "0\r\n\r\n";
  for (std::size_t at = 1; at < body.size(); at += 7) {
    const test::TestServer server(listing([&](const std::string&) {
      return std::vector<std::string>{body.substr(0, at), body.substr(at)};
    }));
    const auto answer = ask(server, {.prompt = "x"});
    INFO("cut at " << at);
    REQUIRE(answer.has_value());
    CHECK(answer->text ==
          "Gr\xC3\xBC\xC3\x9F"
          "e");
    CHECK(answer->itl_seconds.empty());
    CHECK_FALSE(answer->usage.has_value());
  }
}

TEST_CASE("what goes wrong at a server is told as it said it", "[exec][remote]") {
  const auto message = [](std::vector<std::string> pieces) {
    const test::TestServer server(listing([&](const std::string&) { return pieces; }));
    const auto answer = ask(server, {.prompt = "x"});
    REQUIRE_FALSE(answer.has_value());
    return answer.error().message;
  };
  CHECK(message({whole_answer("429 Too Many Requests", "slow down")})
            .find("/v1/completions: status 429: slow down") != std::string::npos);
  CHECK(message({kStreamHead, http_chunk(piece("half"))}).find("the answer broke off") !=
        std::string::npos);
  CHECK(
      message({kStreamHead, http_chunk(piece("half")), "0\r\n\r\n"}).find("ended without [DONE]") !=
      std::string::npos);
  CHECK(message({kStreamHead, http_chunk("data: {\"error\":{\"message\":\"no memory\"}}\n\n")})
            .find("no memory") != std::string::npos);
  CHECK(message({kStreamHead, http_chunk("data: {broken\n\n")}).find("not JSON: {broken") !=
        std::string::npos);
  CHECK(message({}).find("no answer") != std::string::npos);
}

TEST_CASE("a server that falls silent is given up", "[exec][remote]") {
  std::atomic<bool> waiting = true;
  const test::TestServer server(listing([&](const std::string&) {
    while (waiting) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return std::vector<std::string>{};
  }));
  const auto answer = ask(server, {.prompt = "x"});
  waiting = false;
  REQUIRE_FALSE(answer.has_value());
  CHECK(answer.error().message.find("timed out") != std::string::npos);
}

TEST_CASE("the model is the first that the server lists", "[exec][remote]") {
  const test::TestServer server([](const std::string& request) {
    CHECK(request.starts_with("GET /api/models HTTP/1.1\r\n"));
    return std::vector<std::string>{
        whole_answer("200 OK", R"({"data":[{"id":"small"},{"id":"large"}]})")};
  });
  const auto engine = RemoteEngine::connect({.url = server.url() + "/api/"}, ticking());
  REQUIRE(engine.has_value());
  CHECK(engine->model() == "small");
  const test::TestServer other([](const std::string&) {
    return std::vector<std::string>{whole_answer("404 Not Found", "<html>")};
  });
  const auto refused = RemoteEngine::connect({.url = other.url()}, ticking());
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message.find("lists no model (status 404): <html>") != std::string::npos);
}

TEST_CASE("an answer ends at a stop, whether or not the server knows stops", "[exec][remote]") {
  const auto answer_of = [](std::vector<std::string> pieces) {
    pieces.insert(pieces.begin(), kStreamHead);
    pieces.push_back(http_chunk("data: [DONE]\n\n"));
    pieces.emplace_back("0\r\n\r\n");
    const test::TestServer server(listing([&](const std::string&) { return pieces; }));
    const auto answer = ask(server, {.prompt = "x", .stop = {"END", "\n"}});
    REQUIRE(answer.has_value());
    return *answer;
  };
  const auto pieces = [](const std::vector<std::string>& texts) {
    std::vector<std::string> chunks;
    for (const std::string& text : texts) chunks.push_back(http_chunk(piece(text)));
    return chunks;
  };
  const RemoteAnswer exact = answer_of(pieces({"one", " two"}));
  CHECK(exact.text == "one two");
  CHECK_FALSE(exact.went_on);
  const RemoteAnswer with_stop = answer_of(pieces({"one", " two\n"}));  // as some servers send it
  CHECK(with_stop.text == "one two");
  CHECK_FALSE(with_stop.went_on);
  // The stop comes in two pieces; of the four behind it nothing counts, not even their time.
  const RemoteAnswer went_on = answer_of(pieces({"one", " twoE", "ND", " 3", " 4", " 5", " 6"}));
  CHECK(went_on.text == "one two");
  CHECK(went_on.went_on);
  CHECK(went_on.itl_seconds.size() == 2);
  CHECK(went_on.total_seconds ==
        *went_on.ttft_seconds + went_on.itl_seconds[0] + went_on.itl_seconds[1]);
}

TEST_CASE("what a person can do about a refusal is said with it", "[exec][remote]") {
  const test::TestServer server(listing([](const std::string&) {
    return std::vector<std::string>{whole_answer("404 Not Found", "")};
  }));
  const auto message = [&server](const std::string& model) {
    const auto engine = RemoteEngine::connect({.url = server.url(), .model = model}, ticking());
    REQUIRE(engine.has_value());
    CHECK(engine->software() == "test");
    const auto answer = engine->complete({.prompt = "x"});
    REQUIRE_FALSE(answer.has_value());
    return answer.error().message;
  };
  CHECK(message("mm").find("unknown model \"mm\"; did you mean \"m\"?") != std::string::npos);
  CHECK(message("m").find("may not have /v1/completions") != std::string::npos);
}

TEST_CASE("addresses that cannot be meant are refused", "[exec][remote]") {
  for (const std::string url :
       {"https://example", "example:80", "http://", "http://host:0", "http://host:port"}) {
    INFO(url);
    CHECK_FALSE(RemoteEngine::connect({.url = url}, ticking()).has_value());
  }
  const auto nobody =
      RemoteEngine::connect({.url = "http://127.0.0.1:1", .timeout_seconds = 1}, ticking());
  REQUIRE_FALSE(nobody.has_value());
  CHECK(nobody.error().message.find("http://127.0.0.1:1: no connection") == 0);
}

}  // namespace
}  // namespace scsim::exec
