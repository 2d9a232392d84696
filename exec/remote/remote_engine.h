// A client of OpenAI-compatible HTTP servers: completions streamed, and timed piece by piece.
//
//   auto engine = RemoteEngine::connect({.url = "http://127.0.0.1:8000/v1"}, clock);
//   Expected<RemoteAnswer> answer = engine->complete({.messages = {{"user", "Hello"}}, .max_tokens
//   = 20}); answer->ttft_seconds; answer->itl_seconds; answer->usage.cached_tokens;
//
// Only http:// : what is measured stands beside us. Every answer has its own connection, as the
// first request of a client has; the clock starts when the connection stands. What a stop ends is
// cut here too, for servers that go on behind it: they are heard to their end, and not timed.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "traces/expected.h"

namespace scsim::exec {

// Seconds since some moment; tests hand in one that counts.
using RemoteClock = std::function<double()>;
RemoteClock steady_seconds();

struct RemoteOptions {
  std::string url;               // "http://host:port/v1"; "/v1" may be left out
  std::string api_key = "";      // sent as a bearer token; may be empty
  std::string model = "";        // empty: the first that the server lists
  double timeout_seconds = 600;  // without a byte from the server
};

struct RemoteRequest {
  // Either a conversation, which the server renders, or a prompt as it is.
  std::vector<std::pair<std::string, std::string>> messages = {};  // role, text
  std::string prompt = "";
  std::int64_t max_tokens = 16;
  std::vector<std::string> stop = {};
};

struct RemoteUsage {
  std::int64_t prompt_tokens = 0, completion_tokens = 0;
  std::optional<std::int64_t> cached_tokens;  // of the prompt, where the server says so
};

struct RemoteAnswer {
  std::string text;
  std::string finish_reason;           // "stop", "length"; empty: the server did not say
  std::optional<double> ttft_seconds;  // to the first piece with text; absent: there was none
  std::vector<double> itl_seconds;     // between two such pieces
  double total_seconds = 0;            // to the end of the stream, or to a stop before it
  bool went_on = false;                // behind a stop; its usage counts that too
  std::optional<RemoteUsage> usage;    // absent: the server did not say
};

class RemoteEngine {
 public:
  // Asks the server for its models. The error says that nobody answered, or that no model is named
  // and the server lists none.
  static Expected<RemoteEngine> connect(const RemoteOptions& options, RemoteClock clock);

  const std::string& model() const { return options_.model; }
  const std::string& url() const { return options_.url; }
  // As it says itself in its first answer, "uvicorn"; empty: it does not.
  const std::string& software() const { return software_; }
  // Greedy (temperature 0). The error tells what the server answered, or where its stream broke
  // off.
  Expected<RemoteAnswer> complete(const RemoteRequest& request) const;

 private:
  struct Address {
    std::string host, port, path;  // path without a slash at its end
  };
  // What a person may do about an answer that is none.
  std::string advice(unsigned status, const std::string& target) const;
  static Expected<Address> parse_url(const std::string& url);
  RemoteEngine(RemoteOptions options, Address address, RemoteClock clock)
      : options_(std::move(options)), address_(std::move(address)), clock_(std::move(clock)) {}

  RemoteOptions options_;
  Address address_;
  RemoteClock clock_;
  std::vector<std::string> listed_;  // its models
  std::string software_;
};

}  // namespace scsim::exec
