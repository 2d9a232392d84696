// scexec serve as a client meets it, on a model of two layers.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "exec/remote/remote_engine.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"
#include "traces/files.h"

namespace scsim::exec {
namespace {

namespace http = boost::beast::http;
using boost::asio::ip::tcp;
using nlohmann::json;

class ServedProgram {
 public:
  explicit ServedProgram(std::vector<std::string> more) {
    test::write_tiny_model(folder_.path());
    std::vector<std::string> words = {
        SCSIM_SCEXEC, "serve",          "--model", folder_.path(),  "--port",
        "0",          "--name",         "tiny",    "--threads",     "1",
        "--set",      "block_tokens=8", "--set",   "num_blocks=200"};
    words.insert(words.end(), more.begin(), more.end());
    const std::string log = folder_.file("out");
    child_ = fork();
    REQUIRE(child_ >= 0);
    if (child_ == 0) {
      std::vector<char*> arguments;
      for (std::string& word : words) arguments.push_back(word.data());
      arguments.push_back(nullptr);
      if (freopen(log.c_str(), "w", stdout) != nullptr) execv(SCSIM_SCEXEC, arguments.data());
      _exit(127);
    }
    for (int tries = 0; tries < 1200 && port_ == 0; ++tries) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      const Expected<std::string> said = read_file(log);
      const std::size_t at = said ? said->find("http://127.0.0.1:") : std::string::npos;
      if (at != std::string::npos && said->find("/v1", at) != std::string::npos)
        port_ = std::stoi(said->substr(at + 17));
    }
    REQUIRE(port_ > 0);
  }
  ~ServedProgram() {
    if (child_ > 0) kill(child_, SIGKILL);
    if (child_ > 0) waitpid(child_, nullptr, 0);
  }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  void terminate() const { kill(child_, SIGTERM); }
  int wait() {  // its exit code
    int status = 0;
    REQUIRE(waitpid(child_, &status, 0) == child_);
    child_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  struct Answer {
    unsigned status = 0;
    std::string body;
    json parsed() const { return json::parse(body, nullptr, false); }
  };
  Answer send(http::verb verb, const std::string& target, const std::string& body = "",
              const std::string& key = "") const {
    boost::asio::io_context context;
    tcp::socket socket(context);
    socket.connect({boost::asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(port_)});
    http::request<http::string_body> request(verb, target, 11);
    request.set(http::field::host, "127.0.0.1");
    if (!key.empty()) request.set(http::field::authorization, "Bearer " + key);
    request.body() = body;
    request.prepare_payload();
    http::write(socket, request);
    boost::beast::flat_buffer buffer;
    http::response<http::string_body> response;
    http::read(socket, buffer, response);
    return {response.result_int(), response.body()};
  }
  Answer post(const std::string& target, const json& body, const std::string& key = "") const {
    return send(http::verb::post, target, body.dump(), key);
  }
  std::string file(const std::string& name) const { return folder_.file(name); }

 private:
  test::TemporaryFolder folder_;
  pid_t child_ = -1;
  int port_ = 0;
};

double metric(const ServedProgram& served, const std::string& name) {
  const std::string text = served.send(http::verb::get, "/metrics").body;
  const std::size_t at = text.find("\n" + name + " ");
  REQUIRE(at != std::string::npos);
  return std::stod(text.substr(at + name.size() + 2));
}

const std::string kPrompt(90, 'q');

}  // namespace

TEST_CASE("a server answers completions and chats, streamed and whole, with usage",
          "[exec][main]") {
  const ServedProgram served({});
  const auto remote = RemoteEngine::connect({.url = served.url()}, steady_seconds());
  INFO((remote ? "" : remote.error().message));
  REQUIRE(remote);
  CHECK(remote->model() == "tiny");
  const auto first = remote->complete({.prompt = kPrompt, .max_tokens = 12});
  const auto second = remote->complete({.prompt = kPrompt, .max_tokens = 12});
  REQUIRE((first && second));
  REQUIRE((first->usage && second->usage));
  CHECK(first->usage->cached_tokens == 0);
  // All whole blocks before the last token.
  CHECK(second->usage->cached_tokens == (second->usage->prompt_tokens - 1) / 8 * 8);
  CHECK(second->text == first->text);
  CHECK((first->finish_reason == "length" || first->finish_reason == "stop"));
  CHECK(first->usage->completion_tokens <= 12);

  // What is streamed is what comes whole, and what several ask at once.
  const json body = {{"model", "tiny"}, {"prompt", kPrompt}, {"max_tokens", 12}};
  std::vector<std::thread> clients;
  std::vector<std::string> texts(6);
  for (std::string& text : texts) {
    clients.emplace_back([&] {
      const auto answer = served.post("/v1/completions", body);
      if (answer.status == 200) text = answer.parsed()["choices"][0]["text"];
    });
  }
  for (std::thread& client : clients) client.join();
  for (const std::string& text : texts) CHECK(text == first->text);

  const auto chat = remote->complete({.messages = {{"user", "Hello"}}, .max_tokens = 5});
  INFO((chat ? "" : chat.error().message));
  REQUIRE(chat);
  CHECK(chat->usage->completion_tokens <= 5);
  REQUIRE(first->text.size() > 3);
  {
    const std::string replaced = "\xEF\xBF\xBD";  // bytes that are no character come as this one
    const std::string stop =
        first->text.find(replaced) == std::string::npos ? first->text.substr(1, 1) : replaced;
    json stopping = body;
    stopping["stop"] = stop;
    const json stopped = served.post("/v1/completions", stopping).parsed();
    CHECK(stopped["choices"][0]["text"] == first->text.substr(0, first->text.find(stop)));
    CHECK(stopped["choices"][0]["finish_reason"] == "stop");
  }
  CHECK(metric(served, "scexec_requests_total") >= 9);
  CHECK(metric(served, "scexec_prompt_tokens_cached_total") > 0);
  CHECK(metric(served, "scexec_requests_running") == 0);
}

TEST_CASE("what a server does not do is refused by name", "[exec][main]") {
  const ServedProgram served({});
  const struct {
    json body;
    const char* message;
  } cases[] = {{{{"prompt", "x"}, {"model", "other"}}, "\"tiny\" is"},
               {{{"prompt", "x"}, {"temperature", 0.7}}, "temperature"},
               {{{"prompt", "x"}, {"n", 2}}, "n: one"},
               {{{"prompt", "x"}, {"max_tokens", 0}}, "max_tokens"},
               {{{"prompt", std::vector<int>{1 << 30}}}, "prompt"},
               {{{"prompt", std::string(5000, 'x')}}, "reach max_model_len"},
               {json::object(), "prompt is missing"}};
  for (const auto& given : cases) {
    const auto answer = served.post("/v1/completions", given.body);
    INFO(answer.body);
    CHECK(answer.status == 400);
    CHECK(answer.parsed()["error"]["message"].get<std::string>().find(given.message) !=
          std::string::npos);
  }
  CHECK(served.send(http::verb::post, "/v1/completions", "{").status == 400);
  CHECK(served.send(http::verb::get, "/v1/nothing").status == 404);
  CHECK(served.send(http::verb::get, "/health").status == 200);
}

TEST_CASE("tenants have keys and find their own blocks only; a full queue says so",
          "[exec][main]") {
  const test::TemporaryFolder folder;
  std::ofstream(folder.file("keys")) << "# who\nsk-a legal\nsk-b\tfinance\n";
  const ServedProgram served(
      {"--api-keys", folder.file("keys"), "--most-waiting", "2", "--set", "max_sequences=1"});
  const json body = {{"prompt", kPrompt}, {"max_tokens", 2}};
  CHECK(served.post("/v1/completions", body).status == 401);
  CHECK(served.post("/v1/completions", body, "sk-c").status == 401);
  const auto cached = [&](const std::string& key) {
    const auto answer = served.post("/v1/completions", body, key);
    REQUIRE(answer.status == 200);
    return answer.parsed()["usage"]["prompt_tokens_details"]["cached_tokens"].get<int>();
  };
  CHECK(cached("sk-a") == 0);
  CHECK(cached("sk-b") == 0);
  CHECK(cached("sk-a") > 0);

  json longer = body;
  longer["max_tokens"] = 900;
  std::atomic<int> full = 0, fine = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < 12; ++i) {
    clients.emplace_back([&] {
      const auto answer = served.post("/v1/completions", longer, "sk-a");
      (answer.status == 429 ? full : fine) += 1;
      if (answer.status != 429 && answer.status != 200) fine -= 100;
    });
  }
  for (std::thread& client : clients) client.join();
  CHECK(full > 0);
  CHECK(fine >= 2);
  CHECK(full + fine == 12);
}

TEST_CASE("on SIGTERM a server answers what it took and takes nothing more", "[exec][main]") {
  ServedProgram served({});
  const json body = {{"prompt", kPrompt}, {"max_tokens", 1000}};
  ServedProgram::Answer answer;
  std::thread client([&] { answer = served.post("/v1/completions", body); });
  while (metric(served, "scexec_requests_running") == 0 &&
         metric(served, "scexec_answer_tokens_total") == 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  served.terminate();
  client.join();
  CHECK(answer.status == 200);
  CHECK(answer.parsed()["usage"]["completion_tokens"].get<int>() > 1);
  CHECK(served.wait() == 0);
}

}  // namespace scsim::exec
