// The OpenAI-compatible interface: /v1/models, /v1/completions, /v1/chat/completions, streamed or
// not, with usage; and /health and /metrics (Prometheus). Greedy: a request that asks for another
// temperature, for several answers or for log probabilities is refused by name.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "exec/serve/answerer.h"
#include "exec/serve/http_server.h"
#include "exec/text/chat_template.h"
#include "exec/text/tokenizer.h"

namespace scsim::exec {

struct ApiOptions {
  std::string model;                                // the name it is served under
  std::map<std::string, std::string> tenants = {};  // by API key; empty: no key is asked for
};

class OpenAiApi {
 public:
  // REQUIRES: what it refers to outlives it.
  OpenAiApi(ApiOptions options, const Tokenizer& tokenizer, const ChatTemplate* chat,
            Answerer& answerer)
      : options_(std::move(options)), tokenizer_(tokenizer), chat_(chat), answerer_(answerer) {}

  // Any thread.
  void handle(const HttpRequest& request, HttpReply& reply) const;

 private:
  struct Question;
  void complete(const HttpRequest& request, bool chat, HttpReply& reply) const;
  std::string read(const std::string& body, bool chat, Question& question) const;
  void answer(const Question& question, AnswerStream& stream, HttpReply& reply) const;
  std::string metrics() const;

  ApiOptions options_;
  const Tokenizer& tokenizer_;
  const ChatTemplate* chat_;
  Answerer& answerer_;
};

}  // namespace scsim::exec
