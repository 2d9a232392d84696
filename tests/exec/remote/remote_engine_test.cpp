#include "exec/remote/remote_engine.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/exec/remote/test_server.h"

namespace scsim::exec {
namespace {

using nlohmann::json;

std::string chunk(const std::string& bytes) {
  std::ostringstream out;
  out << std::hex << bytes.size() << "\r\n" << bytes << "\r\n";
  return out.str();
}

const std::string kStreamHead =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

std::string plain_answer(const std::string& status, const std::string& body) {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

std::string piece(const std::string& text) {
  return "data: " + json{{"choices", {{{"delta", {{"content", text}}}}}}}.dump() + "\n\n";
}

// Ticks at every reading, so that times are counts.
RemoteClock ticking() {
  return [ticks = std::make_shared<double>(0)] { return *ticks += 1; };
}

Expected<RemoteAnswer> ask(const test::TestServer& server, const RemoteRequest& request) {
  Expected<RemoteEngine> engine = RemoteEngine::connect(
      {.url = server.url(), .api_key = "secret", .model = "m", .timeout_seconds = 0.5}, ticking());
  REQUIRE(engine.has_value());
  return engine->complete(request);
}

TEST_CASE("a streamed answer is put together and timed piece by piece", "[exec][remote]") {
  std::string heard;
  const test::TestServer server([&heard](const std::string& request) {
    heard = request;
    const std::string usage =
        R"({"prompt_tokens":100,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":64}})";
    return std::vector<std::string>{
        kStreamHead,
        chunk(": a comment\n\ndata: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n"),
        chunk(piece("Good")),
        chunk(piece(" morning")),
        chunk(piece(", all") +
              "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"),
        chunk("data: {\"choices\":[],\"usage\":" + usage + "}\n\ndata: [DONE]\n\n"),
        "0\r\n\r\n"};
  });
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
                           chunk(piece("Gr\xC3\xBC\xC3\x9F"
                                       "e")) +
                           chunk("data: [DONE]\n\n") + "0\r\n\r\n";
  for (std::size_t at = 1; at < body.size(); at += 7) {
    const test::TestServer server([&](const std::string&) {
      return std::vector<std::string>{body.substr(0, at), body.substr(at)};
    });
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
    const test::TestServer server([&](const std::string&) { return pieces; });
    const auto answer = ask(server, {.prompt = "x"});
    REQUIRE_FALSE(answer.has_value());
    return answer.error().message;
  };
  CHECK(message({plain_answer("429 Too Many Requests", "slow down")})
            .find("/v1/completions: status 429: slow down") != std::string::npos);
  CHECK(message({kStreamHead, chunk(piece("half"))}).find("the answer broke off") !=
        std::string::npos);
  CHECK(message({kStreamHead, chunk(piece("half")), "0\r\n\r\n"}).find("ended without [DONE]") !=
        std::string::npos);
  CHECK(message({kStreamHead, chunk("data: {\"error\":{\"message\":\"no memory\"}}\n\n")})
            .find("no memory") != std::string::npos);
  CHECK(message({kStreamHead, chunk("data: {broken\n\n")}).find("not JSON: {broken") !=
        std::string::npos);
  CHECK(message({}).find("no answer") != std::string::npos);
}

TEST_CASE("a server that falls silent is given up", "[exec][remote]") {
  std::atomic<bool> waiting = true;
  const test::TestServer server([&](const std::string&) {
    while (waiting) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return std::vector<std::string>{};
  });
  const auto answer = ask(server, {.prompt = "x"});
  waiting = false;
  REQUIRE_FALSE(answer.has_value());
  CHECK(answer.error().message.find("timed out") != std::string::npos);
}

TEST_CASE("the model is the first that the server lists", "[exec][remote]") {
  const test::TestServer server([](const std::string& request) {
    CHECK(request.starts_with("GET /api/models HTTP/1.1\r\n"));
    return std::vector<std::string>{
        plain_answer("200 OK", R"({"data":[{"id":"small"},{"id":"large"}]})")};
  });
  const auto engine = RemoteEngine::connect({.url = server.url() + "/api/"}, ticking());
  REQUIRE(engine.has_value());
  CHECK(engine->model() == "small");
  const test::TestServer other([](const std::string&) {
    return std::vector<std::string>{plain_answer("404 Not Found", "<html>")};
  });
  const auto refused = RemoteEngine::connect({.url = other.url()}, ticking());
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message.find("lists no model (status 404): <html>") != std::string::npos);
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
