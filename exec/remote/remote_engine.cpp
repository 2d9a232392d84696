// Operations are asynchronous one at a time, because only those can time out.
#include "exec/remote/remote_engine.h"

#include <algorithm>
#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <nlohmann/json.hpp>

#include "exec/remote/event_stream.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using nlohmann::json;

constexpr std::size_t kMostErrorBytes = 400;  // of a server's answer, in a message
constexpr std::uint64_t kMostBodyBytes = std::uint64_t{1} << 30;

// One connection and one exchange on it.
class Exchange {
 public:
  Exchange(std::string host, std::string port, double timeout_seconds)
      : host_(std::move(host)),
        port_(std::move(port)),
        timeout_(timeout_seconds),
        stream_(context_) {}

  Expected<void> connect() {
    boost::system::error_code error;
    asio::ip::tcp::resolver resolver(context_);
    const auto addresses = resolver.resolve(host_, port_, error);
    if (error) return Error{name() + ": " + error.message()};
    wait(
        [&](auto done) {
          stream_.async_connect(addresses,
                                [done](boost::system::error_code e, const auto&) { done(e); });
        },
        error);
    if (error)
      return Error{name() + ": no connection: " + error.message() +
                   "; is a server listening there?"};
    stream_.socket().set_option(asio::ip::tcp::no_delay(true), error);
    return {};
  }

  Expected<void> send(http::request<http::string_body>& request) {
    request.set(http::field::host, host_ + ":" + port_);
    request.set(http::field::user_agent, "scexec");
    request.prepare_payload();
    boost::system::error_code error;
    wait(
        [&](auto done) {
          http::async_write(stream_, request,
                            [done](boost::system::error_code e, std::size_t) { done(e); });
        },
        error);
    if (error) return Error{name() + ": the request could not be sent: " + error.message()};
    return {};
  }

  // Reads the head of the answer; its body follows by read_some().
  Expected<http::status> read_head() {
    parser_.body_limit(kMostBodyBytes);
    boost::system::error_code error;
    wait(
        [&](auto done) {
          http::async_read_header(stream_, buffer_, parser_,
                                  [done](boost::system::error_code e, std::size_t) { done(e); });
        },
        error);
    if (error) return Error{name() + ": no answer: " + error.message()};
    return parser_.get().result();
  }

  // Of the head that was read; empty: it is not there.
  std::string software() const {
    const auto& head = parser_.get();
    const auto found = head.find(http::field::server);
    return found == head.end() ? "" : std::string(found->value());
  }

  // The next bytes of the body; nothing at its end.
  Expected<std::string_view> read_some() {
    while (!parser_.is_done()) {
      parser_.get().body().data = bytes_.data();
      parser_.get().body().size = bytes_.size();
      boost::system::error_code error;
      wait(
          [&](auto done) {
            http::async_read_some(stream_, buffer_, parser_,
                                  [done](boost::system::error_code e, std::size_t) { done(e); });
          },
          error);
      if (error == http::error::need_buffer) error = {};
      if (error) return Error{name() + ": the answer broke off: " + error.message()};
      const std::size_t read = bytes_.size() - parser_.get().body().size;
      if (read > 0) return std::string_view(bytes_.data(), read);
    }
    return std::string_view{};
  }

  Expected<std::string> read_rest() {
    std::string body;
    while (true) {
      const Expected<std::string_view> some = read_some();
      if (!some) return some.error();
      if (some->empty()) return body;
      body += *some;
    }
  }

  std::string name() const { return "http://" + host_ + ":" + port_; }

 private:
  template <class Start>
  void wait(Start start, boost::system::error_code& error) {
    stream_.expires_after(std::chrono::milliseconds(static_cast<std::int64_t>(timeout_ * 1000)));
    error = asio::error::operation_aborted;
    start([&error](boost::system::error_code e) { error = e; });
    context_.restart();
    context_.run();
    if (error == beast::error::timeout) error = asio::error::timed_out;
  }

  std::string host_, port_;
  double timeout_;
  asio::io_context context_;
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  http::response_parser<http::buffer_body> parser_;
  std::array<char, 16384> bytes_{};
};

std::string start_of(const std::string& body) {
  std::string text(trim(body));
  if (text.size() > kMostErrorBytes) text = valid_utf8(text.substr(0, kMostErrorBytes)) + "...";
  return text;
}

// A number of a JSON object, where it is there.
std::optional<std::int64_t> integer_at(const json& object, const char* key) {
  if (!object.is_object()) return std::nullopt;
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  return found->get<std::int64_t>();
}

std::string text_at(const json& object, const char* key) {
  if (!object.is_object()) return "";
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// Takes the answer out of the events of its stream.
class AnswerReader {
 public:
  AnswerReader(RemoteAnswer& answer, const std::vector<std::string>& stops, double started)
      : answer_(answer), stops_(stops), started_(started), last_(started) {}

  bool done() const { return done_; }
  double last() const { return last_; }  // when the last piece that counts came

  Expected<void> take(const std::string& data, double now) {
    if (data == "[DONE]") {
      done_ = true;
      return {};
    }
    const json event = json::parse(data, nullptr, false);
    if (event.is_discarded()) return Error{"an event is not JSON: " + start_of(data)};
    if (event.contains("error"))
      return Error{"the server says: " + start_of(event["error"].dump())};
    if (event.contains("usage") && event["usage"].is_object()) take_usage(event["usage"]);
    if (!event.contains("choices") || !event["choices"].is_array() || event["choices"].empty())
      return {};
    const json& choice = event["choices"][0];
    std::string piece = text_at(choice, "text");
    if (choice.is_object() && choice.contains("delta"))
      piece += text_at(choice["delta"], "content");
    if (const std::string reason = text_at(choice, "finish_reason"); !reason.empty())
      answer_.finish_reason = reason;
    if (piece.empty()) return {};
    if (stopped_) {
      answer_.went_on = true;
      return {};
    }
    answer_.text += piece;
    cut_at_stop();
    if (answer_.ttft_seconds) {
      answer_.itl_seconds.push_back(now - last_);
    } else {
      answer_.ttft_seconds = now - started_;
    }
    last_ = now;
    return {};
  }

 private:
  void cut_at_stop() {
    std::size_t end = std::string::npos;
    for (const std::string& stop : stops_) end = std::min(end, answer_.text.find(stop));
    if (end == std::string::npos) return;
    answer_.text.resize(end);
    stopped_ = true;
  }

  void take_usage(const json& usage) {
    RemoteUsage said;
    said.prompt_tokens = integer_at(usage, "prompt_tokens").value_or(0);
    said.completion_tokens = integer_at(usage, "completion_tokens").value_or(0);
    if (usage.contains("prompt_tokens_details")) {
      said.cached_tokens = integer_at(usage["prompt_tokens_details"], "cached_tokens");
    }
    answer_.usage = said;
  }

  RemoteAnswer& answer_;
  const std::vector<std::string>& stops_;
  double started_, last_;
  bool done_ = false, stopped_ = false;
};

// Of a list of models; none where it is no such list.
std::vector<std::string> model_names(const std::string& body) {
  std::vector<std::string> names;
  const json list = json::parse(body, nullptr, false);
  if (!list.is_object() || !list.contains("data") || !list["data"].is_array()) return names;
  for (const json& model : list["data"]) {
    if (std::string name = text_at(model, "id"); !name.empty()) names.push_back(std::move(name));
  }
  return names;
}

json body_of(const RemoteRequest& request, const std::string& model) {
  json body = {{"model", model},
               {"max_tokens", request.max_tokens},
               {"temperature", 0},
               {"stream", true},
               {"stream_options", {{"include_usage", true}}}};
  if (request.messages.empty()) {
    body["prompt"] = valid_utf8(request.prompt);
  } else {
    body["messages"] = json::array();
    for (const auto& [role, text] : request.messages) {
      body["messages"].push_back({{"role", role}, {"content", valid_utf8(text)}});
    }
  }
  if (!request.stop.empty()) body["stop"] = request.stop;
  return body;
}

http::request<http::string_body> make_request(http::verb verb, const std::string& target,
                                              const std::string& api_key) {
  http::request<http::string_body> request(verb, target, 11);
  request.set(http::field::connection, "close");
  if (!api_key.empty()) request.set(http::field::authorization, "Bearer " + api_key);
  return request;
}

}  // namespace

RemoteClock steady_seconds() {
  return [started = std::chrono::steady_clock::now()] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  };
}

Expected<RemoteEngine::Address> RemoteEngine::parse_url(const std::string& url) {
  constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) return Error{"\"" + url + "\": expected http://HOST:PORT"};
  const std::string rest = url.substr(kScheme.size());
  const std::size_t slash = rest.find('/');
  std::string authority = rest.substr(0, slash);
  Address address{.host = authority,
                  .port = "80",
                  .path = slash == std::string::npos ? "" : rest.substr(slash)};
  const std::size_t colon = authority.rfind(':');
  if (colon != std::string::npos && authority.find(']', colon) == std::string::npos) {
    address.host = authority.substr(0, colon);
    address.port = authority.substr(colon + 1);
    const auto port = parse_unsigned(address.port);
    if (!port || *port == 0 || *port > 65535)
      return Error{"\"" + url + "\": expected a port from 1 to 65535"};
  }
  if (address.host.starts_with('[') && address.host.ends_with(']')) {
    address.host = address.host.substr(1, address.host.size() - 2);
  }
  if (address.host.empty()) return Error{"\"" + url + "\": expected http://HOST:PORT"};
  while (address.path.ends_with('/')) address.path.pop_back();
  if (address.path.empty()) address.path = "/v1";
  return address;
}

Expected<RemoteEngine> RemoteEngine::connect(const RemoteOptions& options, RemoteClock clock) {
  const Expected<Address> address = parse_url(options.url);
  if (!address) return address.error();
  RemoteEngine engine(options, *address, std::move(clock));
  Exchange exchange(address->host, address->port, options.timeout_seconds);
  if (const auto done = exchange.connect(); !done) return done.error();
  auto request = make_request(http::verb::get, address->path + "/models", options.api_key);
  if (const auto done = exchange.send(request); !done) return done.error();
  const Expected<http::status> status = exchange.read_head();
  if (!status) return status.error();
  engine.software_ = exchange.software();
  const Expected<std::string> body = exchange.read_rest();
  if (!body) return body.error();
  if (*status == http::status::ok) engine.listed_ = model_names(*body);
  if (!options.model.empty()) return engine;
  if (engine.listed_.empty()) {
    return Error{exchange.name() + address->path + "/models lists no model (status " +
                 std::to_string(static_cast<unsigned>(*status)) + "): " + start_of(*body) +
                 "; the address of an OpenAI-compatible server is wanted, http://HOST:PORT/v1"};
  }
  engine.options_.model = engine.listed_.front();
  return engine;
}

std::string RemoteEngine::advice(unsigned status, const std::string& target) const {
  if (status < 400 || status >= 500) return "";
  if (!listed_.empty() && std::ranges::find(listed_, options_.model) == listed_.end())
    return "; " + unknown_name("model", options_.model, listed_);
  if (status == 404 || status == 405)
    return "; this server may not have " + target + ", or not have it there";
  return "";
}

Expected<RemoteAnswer> RemoteEngine::complete(const RemoteRequest& request) const {
  Exchange exchange(address_.host, address_.port, options_.timeout_seconds);
  if (const auto done = exchange.connect(); !done) return done.error();
  const std::string target =
      address_.path + (request.messages.empty() ? "/completions" : "/chat/completions");
  auto sent = make_request(http::verb::post, target, options_.api_key);
  sent.set(http::field::content_type, "application/json");
  sent.body() = body_of(request, options_.model).dump();
  RemoteAnswer answer;
  const double started = clock_();
  if (const auto done = exchange.send(sent); !done) return done.error();
  const Expected<http::status> status = exchange.read_head();
  if (!status) return status.error();
  if (*status != http::status::ok) {
    const Expected<std::string> body = exchange.read_rest();
    return Error{
        exchange.name() + target + ": status " + std::to_string(static_cast<unsigned>(*status)) +
        (body ? ": " + start_of(*body) : "") + advice(static_cast<unsigned>(*status), target)};
  }
  EventStream events;
  AnswerReader reader(answer, request.stop, started);
  while (!reader.done()) {
    const Expected<std::string_view> bytes = exchange.read_some();
    if (!bytes) return bytes.error();
    const double now = clock_();
    if (bytes->empty()) break;
    for (const std::string& data : events.push(*bytes)) {
      if (const auto taken = reader.take(data, now); !taken) {
        return Error{exchange.name() + target + ": " + taken.error().message};
      }
    }
  }
  answer.total_seconds = (answer.went_on ? reader.last() : clock_()) - started;
  if (!reader.done() && answer.finish_reason.empty()) {
    return Error{exchange.name() + target + ": the stream ended without [DONE] or a finish_reason"};
  }
  return answer;
}

}  // namespace scsim::exec
