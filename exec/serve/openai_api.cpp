#include "exec/serve/openai_api.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "traces/text.h"

namespace scsim::exec {
namespace {

using nlohmann::json;

constexpr std::int64_t kDefaultTokens = 16;  // as OpenAI's completions have it

void send_error(HttpReply& reply, unsigned status, const std::string& message,
                const std::string& type) {
  const json body = {{"error", {{"message", message}, {"type", type}, {"code", status}}}};
  reply.send(status, "application/json", body.dump());
}

std::int64_t unix_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// "text", or the texts of [{"type": "text", "text": "..."}].
std::optional<std::string> text_of(const json& content) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) return std::nullopt;
  std::string text;
  for (const json& part : content) {
    if (!part.is_object() || part.value("type", "") != "text" || !part.contains("text") ||
        !part["text"].is_string())
      return std::nullopt;
    text += part["text"].get<std::string>();
  }
  return text;
}

}  // namespace

// A request, read.
struct OpenAiApi::Question {
  bool chat = false, stream = false, usage = false;
  std::string id;
  Ask ask;
  std::vector<std::string> stops;

  json frame() const {
    return {{"id", id},
            {"object", !chat    ? "text_completion"
                       : stream ? "chat.completion.chunk"
                                : "chat.completion"},
            {"created", unix_seconds()}};
  }
};

void OpenAiApi::handle(const HttpRequest& request, HttpReply& reply) const {
  const std::string path = request.target.substr(0, request.target.find('?'));
  const bool get = request.method == "GET", post = request.method == "POST";
  if (path == "/health" && get) {
    const std::string failure = answerer_.failure();
    return failure.empty() ? reply.send(200, "text/plain", "ok\n")
                           : reply.send(503, "text/plain", failure + "\n");
  }
  if (path == "/metrics" && get) return reply.send(200, "text/plain; version=0.0.4", metrics());
  if (path == "/v1/models" && get) {
    const json model = {{"id", options_.model}, {"object", "model"}, {"owned_by", "scexec"}};
    return reply.send(200, "application/json",
                      json({{"object", "list"}, {"data", json::array({model})}}).dump());
  }
  if (path == "/v1/completions" && post) return complete(request, false, reply);
  if (path == "/v1/chat/completions" && post) return complete(request, true, reply);
  send_error(reply, 404,
             request.method + " " + path +
                 ": there are GET /v1/models, /health and /metrics, POST /v1/completions and "
                 "/v1/chat/completions",
             "not_found_error");
}

// Gives what is wrong with it, or nothing.
std::string OpenAiApi::read(const std::string& body, bool chat, Question& question) const {
  const json asked = json::parse(body, nullptr, false);
  if (!asked.is_object()) return "the body is not a JSON object";
  const auto number = [&](const char* key, double absent) {
    return asked.contains(key) && asked[key].is_number() ? asked[key].get<double>() : absent;
  };
  if (asked.contains("model") && asked["model"] != options_.model)
    return "model: " + asked["model"].dump() + " is not here; \"" + options_.model + "\" is";
  if (number("temperature", 0) != 0) return "temperature: answers are greedy; 0 is all there is";
  if (number("n", 1) != 1 || number("best_of", 1) != 1) return "n: one answer is all there is";
  for (const char* key : {"logprobs", "tools", "response_format", "suffix", "logit_bias"}) {
    if (asked.contains(key) && !asked[key].is_null() && asked[key] != false)
      return std::string(key) + ": not done here";
  }
  question.chat = chat;
  question.stream = asked.contains("stream") && asked["stream"] == true;
  question.usage = asked.contains("stream_options") && asked["stream_options"].is_object() &&
                   asked["stream_options"].value("include_usage", false);
  const char* limit =
      asked.contains("max_completion_tokens") ? "max_completion_tokens" : "max_tokens";
  question.ask.max_tokens = kDefaultTokens;
  if (asked.contains(limit) && !asked[limit].is_null()) {
    if (!asked[limit].is_number_integer() || asked[limit].get<std::int64_t>() < 1)
      return std::string(limit) + ": expected a positive integer";
    question.ask.max_tokens = asked[limit].get<std::int64_t>();
  }
  if (asked.contains("stop") && !asked["stop"].is_null()) {
    for (const json& stop :
         asked["stop"].is_array() ? asked["stop"] : json::array({asked["stop"]})) {
      if (!stop.is_string() || stop.get<std::string>().empty())
        return "stop: expected a text, or a list of texts";
      question.stops.push_back(stop.get<std::string>());
    }
  }
  if (!chat) {
    if (!asked.contains("prompt")) return "prompt is missing";
    const json& prompt = asked["prompt"];
    if (prompt.is_string()) {
      question.ask.prompt =
          tokenizer_.encode(prompt.get<std::string>(), SpecialTokens::kRecognised, Frame::kAdded);
      return "";
    }
    if (!prompt.is_array()) return "prompt: expected a text or a list of tokens";
    for (const json& token : prompt) {
      if (!token.is_number_integer() || token.get<std::int64_t>() < 0 ||
          token.get<std::int64_t>() >= tokenizer_.vocabulary_size())
        return "prompt: expected a text or a list of tokens below " +
               std::to_string(tokenizer_.vocabulary_size());
      question.ask.prompt.push_back(token.get<std::int32_t>());
    }
    return "";
  }
  if (chat_ == nullptr) return "the model came without a chat template; /v1/completions is there";
  if (!asked.contains("messages") || !asked["messages"].is_array() || asked["messages"].empty())
    return "messages: expected a list";
  std::vector<Message> messages;
  for (const json& message : asked["messages"]) {
    const std::string role = message.is_object() ? message.value("role", "") : "";
    const std::optional<std::string> text = message.is_object() && message.contains("content")
                                                ? text_of(message["content"])
                                                : std::nullopt;
    if (!text || (role != "system" && role != "user" && role != "assistant"))
      return "messages: expected role system, user or assistant, and content of text";
    messages.push_back({role == "system" ? Role::kSystem
                        : role == "user" ? Role::kUser
                                         : Role::kAssistant,
                        *text});
  }
  const Expected<std::string> rendered = chat_->render(messages, true);
  if (!rendered) return "messages: " + rendered.error().message;
  question.ask.prompt = tokenizer_.encode(*rendered, SpecialTokens::kRecognised);
  return "";
}

void OpenAiApi::complete(const HttpRequest& request, bool chat, HttpReply& reply) const {
  Question question;
  if (!options_.tenants.empty()) {
    constexpr std::string_view kBearer = "Bearer ";
    const bool bearer = request.authorization.starts_with(kBearer);
    const auto tenant = bearer ? options_.tenants.find(request.authorization.substr(kBearer.size()))
                               : options_.tenants.end();
    if (tenant == options_.tenants.end()) {
      return send_error(reply, 401, "a known API key is needed: Authorization: Bearer KEY",
                        "authentication_error");
    }
    question.ask.tenant = tenant->second;
  }
  if (const std::string wrong = read(request.body, chat, question); !wrong.empty())
    return send_error(reply, 400, wrong, "invalid_request_error");
  static std::atomic<std::uint64_t> number = 0;
  question.id = (chat ? "chatcmpl-" : "cmpl-") + std::to_string(++number);
  Answerer::Refused refused{};
  const std::shared_ptr<AnswerStream> stream = answerer_.ask(question.ask, refused);
  if (stream != nullptr) return answer(question, *stream, reply);
  switch (refused.why) {
    case Answerer::Refusal::kNever:
      return send_error(reply, 400, refused.message, "invalid_request_error");
    case Answerer::Refusal::kFull:
      return send_error(reply, 429, refused.message, "rate_limit_error");
    case Answerer::Refusal::kDraining:
      return send_error(reply, 503, refused.message, "unavailable_error");
  }
}

void OpenAiApi::answer(const Question& question, AnswerStream& stream, HttpReply& reply) const {
  json frame = question.frame();
  frame["model"] = options_.model;
  // One choice, with a piece of text or all of it.
  const auto choice = [&](const std::string& text, const json& reason) {
    json one = {{"index", 0}, {"finish_reason", reason}};
    if (!question.chat) {
      one["text"] = text;
    } else if (question.stream) {
      one["delta"] = {{"role", "assistant"}, {"content", text}};
    } else {
      one["message"] = {{"role", "assistant"}, {"content", text}};
    }
    json event = frame;
    event["choices"] = json::array({one});
    return event;
  };
  if (question.stream && !reply.begin_events()) return stream.cancel();

  TextStream decoder(tokenizer_);
  std::string text, reason = "length";
  std::size_t sent = 0, longest_stop = 0;
  for (const std::string& stop : question.stops) longest_stop = std::max(longest_stop, stop.size());
  std::int64_t tokens = 0;
  // Sends what cannot be the beginning of a stop; false: the client has gone, or a stop came.
  const auto take = [&](const std::string& piece, bool last) {
    const std::size_t from = text.size() - std::min(text.size(), longest_stop);
    text += piece;
    std::size_t end = std::string::npos;
    for (const std::string& stop : question.stops) end = std::min(end, text.find(stop, from));
    const bool stopped = end != std::string::npos;
    if (stopped) {
      text.resize(end);
      reason = "stop";
    }
    std::size_t upto = text.size();
    if (!stopped && !last && longest_stop > 0) upto -= std::min(upto, longest_stop - 1);
    while (upto < text.size() && upto > 0 &&
           (static_cast<unsigned char>(text[upto]) & 0xC0) == 0x80)
      --upto;  // no half of a character
    if (question.stream && upto > sent) {
      if (!reply.event(choice(text.substr(sent, upto - sent), nullptr).dump())) return false;
      sent = upto;
    }
    return !stopped;
  };
  bool wanted = true;
  while (const std::optional<std::int32_t> token = stream.next()) {
    ++tokens;
    if (!take(decoder.push(*token), false)) {
      wanted = false;
      stream.cancel();
      break;
    }
  }
  if (wanted) {
    if (stream.complete()) reason = "stop";
    take(decoder.finish(), true);
  }
  if (wanted && stream.failed()) {  // what there is of it is no answer
    const std::string why = answerer_.failure();
    if (!question.stream) return send_error(reply, 500, why, "server_error");
    reply.event(json({{"error", {{"message", why}, {"type", "server_error"}}}}).dump());
    return reply.end_events();
  }
  const std::int64_t prompt = std::ssize(question.ask.prompt);
  const json usage = {{"prompt_tokens", prompt},
                      {"completion_tokens", tokens},
                      {"total_tokens", prompt + tokens},
                      {"prompt_tokens_details", {{"cached_tokens", stream.cached_tokens()}}}};
  if (!question.stream) {
    json whole = choice(text, reason);
    whole["usage"] = usage;
    return reply.send(200, "application/json",
                      whole.dump(-1, ' ', false, json::error_handler_t::replace));
  }
  reply.event(choice("", reason).dump());
  if (question.usage) {
    json last = frame;
    last["choices"] = json::array();
    last["usage"] = usage;
    reply.event(last.dump());
  }
  reply.event("[DONE]");
  reply.end_events();
}

std::string OpenAiApi::metrics() const {
  const AnswererCounts counts = answerer_.counts();
  std::string text;
  const auto add = [&](const std::string& name, const char* type, const char* help, double value) {
    text += "# HELP scexec_" + name + " " + help + "\n# TYPE scexec_" + name + " " + type +
            "\nscexec_" + name + " " + format_shortest(value) + "\n";
  };
  const auto gauge = [&](const std::string& name, const char* help, std::int64_t value) {
    add(name, "gauge", help, static_cast<double>(value));
  };
  const auto counter = [&](const std::string& name, const char* help, std::int64_t value) {
    add(name + "_total", "counter", help, static_cast<double>(value));
  };
  gauge("requests_running", "requests being computed", counts.running);
  gauge("requests_waiting", "requests waiting to be admitted", counts.waiting);
  gauge("kv_blocks", "blocks of KV", counts.num_blocks);
  gauge("kv_blocks_used", "blocks held by running requests", counts.used_blocks);
  gauge("kv_blocks_cached", "free blocks that can be found", counts.cached_blocks);
  counter("requests", "requests taken", counts.requests);
  counter("requests_refused_full", "requests refused because too many waited", counts.refused_full);
  counter("preemptions", "requests that lost their memory and were computed again",
          counts.preemptions);
  counter("steps", "steps of the engine", counts.steps);
  counter("prompt_tokens", "tokens of prompts", counts.prompt_tokens);
  counter("prompt_tokens_cached", "of those, found computed", counts.cached_tokens);
  counter("answer_tokens", "tokens answered", counts.answer_tokens);
  add("busy_seconds_total", "counter", "seconds in steps", counts.busy_seconds);
  return text;
}

}  // namespace scsim::exec
