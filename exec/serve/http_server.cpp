#include "exec/serve/http_server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <thread>
#include <utility>

namespace scsim::exec {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;

constexpr std::uint64_t kMostBodyBytes = std::uint64_t{64} << 20;
constexpr int kMostConnections = 512;
constexpr timeval kPatience = {.tv_sec = 60, .tv_usec = 0};  // of a read or a write

class Reply final : public HttpReply {
 public:
  explicit Reply(tcp::socket& socket) : socket_(socket) {}

  void send(unsigned status, std::string_view type, std::string_view body) override {
    http::response<http::string_body> response(http::int_to_status(status), 11);
    response.set(http::field::content_type, type);
    response.keep_alive(false);
    response.body() = std::string(body);
    response.prepare_payload();
    boost::system::error_code ignored;
    http::write(socket_, response, ignored);
  }

  bool begin_events() override {
    http::response<http::empty_body> head(http::status::ok, 11);
    head.set(http::field::content_type, "text/event-stream");
    head.set(http::field::cache_control, "no-cache");
    head.keep_alive(false);
    head.chunked(true);
    http::response_serializer<http::empty_body> serializer(head);
    boost::system::error_code error;
    http::write_header(socket_, serializer, error);
    return !error;
  }

  bool event(std::string_view data) override {
    const std::string text = "data: " + std::string(data) + "\n\n";
    boost::system::error_code error;
    asio::write(socket_, http::make_chunk(asio::buffer(text)), error);
    return !error;
  }

  void end_events() override {
    boost::system::error_code ignored;
    asio::write(socket_, http::make_chunk_last(), ignored);
  }

 private:
  tcp::socket& socket_;
};

class Server final : public HttpServer {
 public:
  Server() : acceptor_(context_), signals_(context_, SIGTERM, SIGINT) {}

  Expected<void> open(const std::string& host, std::uint16_t port) {
    boost::system::error_code error;
    const asio::ip::address address = asio::ip::make_address(host, error);
    if (error) return Error{"\"" + host + "\": expected an address, as 127.0.0.1"};
    const tcp::endpoint endpoint(address, port);
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) return Error{host + ":" + std::to_string(port) + ": " + error.message()};
    return {};
  }

  std::uint16_t port() const override { return acceptor_.local_endpoint().port(); }

  void run(const std::function<void(const HttpRequest&, HttpReply&)>& handle,
           const std::function<void()>& stopping) override {
    signals_.async_wait([&](boost::system::error_code error, int) {
      if (error) return;
      boost::system::error_code ignored;
      acceptor_.close(ignored);
      stopping();
    });
    accept(handle);
    context_.run();
    std::unique_lock lock(mutex_);
    all_gone_.wait(lock, [&] { return connections_ == 0; });
  }

 private:
  void accept(const std::function<void(const HttpRequest&, HttpReply&)>& handle) {
    acceptor_.async_accept([&](boost::system::error_code error, tcp::socket socket) {
      if (!acceptor_.is_open()) return;
      if (!error) begin(std::move(socket), handle);
      accept(handle);
    });
  }

  void begin(tcp::socket socket,
             const std::function<void(const HttpRequest&, HttpReply&)>& handle) {
    {
      const std::lock_guard lock(mutex_);
      if (connections_ >= kMostConnections) return;  // closed unanswered
      ++connections_;
    }
    std::thread([this, &handle, socket = std::move(socket)]() mutable {
      serve(socket, handle);
      boost::system::error_code ignored;
      socket.shutdown(tcp::socket::shutdown_both, ignored);
      socket.close(ignored);
      const std::lock_guard lock(mutex_);
      --connections_;
      all_gone_.notify_all();
    }).detach();
  }

  static void serve(tcp::socket& socket,
                    const std::function<void(const HttpRequest&, HttpReply&)>& handle) {
    boost::system::error_code error;
    socket.non_blocking(false, error);
    for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO})
      setsockopt(socket.native_handle(), SOL_SOCKET, option, &kPatience, sizeof(kPatience));
    socket.set_option(tcp::no_delay(true), error);
    beast::flat_buffer buffer;
    http::request_parser<http::string_body> parser;
    parser.body_limit(kMostBodyBytes);
    http::read(socket, buffer, parser, error);
    Reply reply(socket);
    if (error == http::error::body_limit)
      return reply.send(413, "text/plain", "the body is too long\n");
    if (error) return;
    const auto& request = parser.get();
    handle({.method = std::string(request.method_string()),
            .target = std::string(request.target()),
            .authorization = std::string(request[http::field::authorization]),
            .body = request.body()},
           reply);
  }

  asio::io_context context_;
  tcp::acceptor acceptor_;
  asio::signal_set signals_;
  std::mutex mutex_;
  std::condition_variable all_gone_;
  int connections_ = 0;
};

}  // namespace

Expected<std::unique_ptr<HttpServer>> HttpServer::listen(const std::string& host,
                                                         std::uint16_t port) {
  auto server = std::make_unique<Server>();
  if (const auto opened = server->open(host, port); !opened) return opened.error();
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace scsim::exec
