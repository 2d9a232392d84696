// A small HTTP/1.1 server: a thread for each connection, one exchange on each. Beast does the
// protocol; what is served is the caller's.
//
//   auto server = HttpServer::listen("127.0.0.1", 8000);
//   (*server)->run(handle);       // until SIGTERM or SIGINT; then no more connections are taken,
//                                 // and it returns when those that are open have been answered
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "traces/expected.h"

namespace scsim::exec {

struct HttpRequest {
  std::string method, target, authorization, body;
};

// Where the answer goes; one of both ways.
class HttpReply {
 public:
  virtual ~HttpReply() = default;
  virtual void send(unsigned status, std::string_view type, std::string_view body) = 0;
  // A stream of server-sent events; false: the client has gone.
  virtual bool begin_events() = 0;
  virtual bool event(std::string_view data) = 0;
  virtual void end_events() = 0;
};

class HttpServer {
 public:
  // Port 0: any that is free. The error says why it cannot listen there.
  static Expected<std::unique_ptr<HttpServer>> listen(const std::string& host, std::uint16_t port);
  virtual ~HttpServer() = default;

  virtual std::uint16_t port() const = 0;
  // `handle` is called by many threads at once; `stopping` once, when the signal came.
  virtual void run(const std::function<void(const HttpRequest&, HttpReply&)>& handle,
                   const std::function<void()>& stopping) = 0;
};

}  // namespace scsim::exec
