// An HTTP server for one test: answers each connection with bytes that the test wrote, in pieces.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace scsim::test {

class TestServer {
 public:
  // Gives the pieces of the answer to a request, sent one after another. The request comes whole.
  using Answer = std::function<std::vector<std::string>(const std::string& request)>;

  explicit TestServer(Answer answer)
      : answer_(std::move(answer)),
        acceptor_(context_, {boost::asio::ip::address_v4::loopback(), 0}) {
    thread_ = std::thread([this] { serve(); });
  }
  ~TestServer() {
    stopping_ = true;
    // Wakes the acceptor.
    boost::asio::ip::tcp::socket socket(context_);
    boost::system::error_code ignored;
    socket.connect(acceptor_.local_endpoint(), ignored);
    thread_.join();
  }

  std::string url() const {
    return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
  }

 private:
  void serve() {
    while (true) {
      boost::asio::ip::tcp::socket socket(context_);
      boost::system::error_code error;
      acceptor_.accept(socket, error);
      if (stopping_ || error) return;
      for (const std::string& piece : answer_(read_request(socket))) {
        boost::asio::write(socket, boost::asio::buffer(piece), error);
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      }
    }
  }

  static std::string read_request(boost::asio::ip::tcp::socket& socket) {
    std::string text;
    boost::system::error_code error;
    const std::size_t head =
        boost::asio::read_until(socket, boost::asio::dynamic_buffer(text), "\r\n\r\n", error);
    if (error) return text;
    std::size_t body = 0;
    if (const std::size_t at = text.find("Content-Length: "); at != std::string::npos)
      body = std::stoul(text.substr(at + 16));
    if (text.size() < head + body) {
      boost::asio::read(socket, boost::asio::dynamic_buffer(text),
                        boost::asio::transfer_exactly(head + body - text.size()), error);
    }
    return text;
  }

  Answer answer_;
  boost::asio::io_context context_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace scsim::test
