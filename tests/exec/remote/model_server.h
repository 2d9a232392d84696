// An OpenAI-compatible server for one test, whose model continues a text by what stood behind the
// same words before: it finds the value of a key. What it says depends on the request alone. It
// knows no stops, as some servers do not, and says that half of a prompt was cached.
#pragma once

#include <algorithm>
#include <atomic>
#include <mutex>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "tests/exec/remote/test_server.h"

namespace scsim::test {

inline std::string http_chunk(const std::string& bytes) {
  std::ostringstream out;
  out << std::hex << bytes.size() << "\r\n" << bytes << "\r\n";
  return out.str();
}

inline const std::string kStreamHead =
    "HTTP/1.1 200 OK\r\nServer: test\r\nContent-Type: text/event-stream\r\n"
    "Transfer-Encoding: chunked\r\n\r\n";

inline std::string whole_answer(const std::string& status, const std::string& body) {
  return "HTTP/1.1 " + status +
         "\r\nServer: test\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

class ModelServer {
 public:
  explicit ModelServer(std::string model = "parrot")
      : model_(std::move(model)),
        server_([this](const std::string& request) { return answer(request); }) {}

  std::string url() const { return server_.url(); }
  // The stream of the completion with this number, from 0, ends behind its first piece.
  void break_at(int number) { break_at_ = number; }
  // The bodies of the completions asked for so far.
  std::vector<nlohmann::json> heard() const {
    const std::scoped_lock lock(mutex_);
    return heard_;
  }

  // What follows `text`: what stood behind its last words before, the longest that did; where none
  // did, its beginning.
  static std::string continuation(const std::string& text, std::size_t bytes) {
    for (std::size_t words = std::min<std::size_t>(text.size() / 2, 64); words > 0; --words) {
      const std::string tail = text.substr(text.size() - words);
      const std::size_t at = text.find(tail);
      if (at + words < text.size()) return text.substr(at + words, bytes);
    }
    return text.substr(0, bytes);
  }

 private:
  std::vector<std::string> answer(const std::string& request) {
    if (request.starts_with("GET "))
      return {whole_answer("200 OK", R"({"data":[{"id":")" + model_ + R"("}]})")};
    const std::size_t head = request.find("\r\n\r\n");
    if (head == std::string::npos) return {};  // whoever asked is gone
    const auto body = nlohmann::json::parse(request.substr(head + 4), nullptr, false);
    if (body.is_discarded()) return {};
    const bool chat = request.find("/chat/completions") != std::string::npos;
    if (body["model"] != model_) return {whole_answer("404 Not Found", "no such model")};
    int number = 0;
    {
      const std::scoped_lock lock(mutex_);
      number = static_cast<int>(heard_.size());
      heard_.push_back(body);
    }
    const std::string prompt = chat ? body["messages"].back()["content"].get<std::string>()
                                    : body["prompt"].get<std::string>();
    const std::string text = continuation(prompt, body["max_tokens"].get<std::size_t>());
    std::vector<std::string> pieces = {kStreamHead};
    for (std::size_t at = 0; at < text.size(); at += 8) {
      nlohmann::json choice;
      const std::string piece = text.substr(at, 8);
      if (chat) {
        choice["delta"] = {{"content", piece}};
      } else {
        choice["text"] = piece;
      }
      pieces.push_back(http_chunk(event({{"choices", {choice}}})));
      if (number == break_at_) return pieces;
    }
    const auto bytes = static_cast<std::int64_t>(prompt.size());
    pieces.push_back(
        http_chunk(event({{"choices", nlohmann::json::array({{{"finish_reason", "length"}}})}}) +
                   event({{"choices", nlohmann::json::array()},
                          {"usage",
                           {{"prompt_tokens", bytes},
                            {"completion_tokens", text.size()},
                            {"prompt_tokens_details", {{"cached_tokens", bytes / 2}}}}}}) +
                   "data: [DONE]\n\n"));
    pieces.emplace_back("0\r\n\r\n");
    return pieces;
  }

  static std::string event(const nlohmann::json& data) {
    return "data: " + data.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n\n";
  }

  std::string model_;
  std::atomic<int> break_at_ = -1;
  mutable std::mutex mutex_;
  std::vector<nlohmann::json> heard_;
  TestServer server_;
};

}  // namespace scsim::test
