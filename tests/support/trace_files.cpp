#include "tests/support/trace_files.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <utility>

#include "traces/files.h"

namespace scsim::test {

LoadedTrace load_trace(const std::string& path) {
  Expected<TraceReader> reader = TraceReader::open(path);
  if (!reader) FAIL(reader.error().message);
  LoadedTrace trace;
  reader->on_content([&](ContentId, Tokens tokens) { trace.contents.push_back(tokens); });
  reader->on_text([&](ContentId content, std::string_view role, std::string_view text) {
    trace.texts.emplace_back(content, role, text);
  });
  Request request;
  while (true) {
    const Expected<bool> more = reader->next(request);
    if (!more) FAIL(more.error().message);
    if (!*more) break;
    trace.requests.push_back(request);
  }
  trace.header = reader->header();
  trace.tables = reader->tables();
  return trace;
}

void write_trace(const std::string& path, const std::vector<Tokens>& contents,
                 const std::vector<Request>& requests) {
  Expected<TraceWriter> writer = TraceWriter::create(path, TraceHeader{});
  REQUIRE(writer.has_value());
  for (const Tokens tokens : contents) writer->add_content(tokens);
  std::uint64_t tenants = 0;
  for (const Request& request : requests) tenants = std::max(tenants, request.tenant.value() + 1);
  for (std::uint64_t i = 0; i < tenants; ++i)
    writer->add_tenant(std::string(1, static_cast<char>('a' + i)));
  std::uint64_t slos = 0;
  for (const Request& request : requests) slos = std::max(slos, request.slo.value());
  for (std::uint64_t i = 0; slos > 0 && i <= slos; ++i)
    writer->add_slo({.id = {},
                     .name = i == 0 ? "default" : "slo " + std::to_string(i),
                     .ttft = {},
                     .tpot = {},
                     .e2e = {}});
  for (const Request& request : requests) writer->add(request);
  REQUIRE(writer->finish().has_value());
}

Request open_request(TimePoint arrival, std::vector<Span> prompt) {
  Request request;
  request.arrival = request.earliest = arrival;
  request.prompt = std::move(prompt);
  request.output_tokens = request.max_tokens = Tokens(1);
  return request;
}

std::string bytes_of(const std::string& path) {
  Expected<std::string> bytes = read_file(path);
  REQUIRE(bytes.has_value());
  return *bytes;
}

}  // namespace scsim::test
