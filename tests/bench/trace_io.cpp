// How long a request takes to write and to read. The answer is checked first: every request that
// was written comes back, with its tokens.
//
//   bench_trace_io [requests]
//
// Prints one CSV line per case: the median of five runs after a warm-up, and their spread, in CPU
// time, which on a busy machine says more than the clock on the wall.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <string>
#include <vector>

#include "traces/rng.h"
#include "traces/text.h"
#include "traces/trace.h"

namespace scsim {
namespace {

struct Totals {
  std::int64_t requests = 0, spans = 0, prompt_tokens = 0, output_tokens = 0;
  friend bool operator==(const Totals&, const Totals&) = default;

  void add(const Request& request) {
    ++requests;
    spans += static_cast<std::int64_t>(request.prompt.size());
    prompt_tokens += request.prompt_tokens().value();
    output_tokens += request.output_tokens.value();
  }
};

// Requests of one new question each, behind `num_spans - 1` documents that all share.
Totals write_trace(const std::string& path, std::int64_t num_requests, int num_spans) {
  Expected<TraceWriter> writer = TraceWriter::create(path, TraceHeader{});
  SCSIM_CHECK(writer.has_value());
  std::vector<ContentId> documents;
  for (int i = 0; i < 1000; ++i) documents.push_back(writer->add_content(Tokens(4096)));
  Rng rng(1, "bench.trace_io");
  Totals totals;
  Request request;
  double now_ns = 0;
  for (std::int64_t i = 0; i < num_requests; ++i) {
    if (i == 0) request.tenant = writer->add_tenant("plain");
    if (i == 0) request.model = writer->add_model("any");
    if (i == 0) request.task = writer->add_task("any");
    if (i == 0) request.slo = writer->add_slo(SloClass{{}, "default", {}, {}, {}});
    now_ns += rng.exponential(1e7);
    request.session = SessionId(static_cast<std::uint64_t>(i));
    request.arrival = TimePoint(static_cast<std::int64_t>(now_ns));
    request.prompt.clear();
    for (int span = 0; span + 1 < num_spans; ++span) {
      const auto which = static_cast<std::size_t>(rng.below(documents.size()));
      request.prompt.push_back({documents[which], Tokens(0), Tokens(4096)});
    }
    const Tokens question(64 + static_cast<std::int64_t>(rng.below(1984)));
    request.prompt.push_back({writer->add_content(question), Tokens(0), question});
    request.output_tokens = Tokens(1 + static_cast<std::int64_t>(rng.below(512)));
    request.output = writer->add_content(request.output_tokens);
    request.max_tokens = Tokens(512);
    writer->add(request);
    totals.add(request);
  }
  SCSIM_CHECK(writer->finish().has_value());
  return totals;
}

Totals read_trace(const std::string& path) {
  Expected<TraceReader> reader = TraceReader::open(path);
  SCSIM_CHECK(reader.has_value());
  Totals totals;
  Request request;
  while (*reader->next(request)) totals.add(request);
  return totals;
}

template <class Function>
void report(const std::string& name, std::int64_t requests, Function&& run) {
  std::vector<double> ns;
  for (int repeat = 0; repeat < 6; ++repeat) {
    const std::clock_t start = std::clock();
    run();
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    if (repeat > 0) ns.push_back(1e9 * seconds / static_cast<double>(requests));
  }
  std::ranges::sort(ns);
  std::printf("%s,%s,%s,%s\n", name.c_str(), format_fixed(ns[2], 1).c_str(),
              format_fixed(ns.front(), 1).c_str(), format_fixed(ns.back(), 1).c_str());
}

}  // namespace
}  // namespace scsim

int main(int argc, char** argv) {
  using namespace scsim;
  const std::int64_t requests = argc > 1 ? *parse_integer(argv[1]) : 1'000'000;
  const std::string path =
      (std::filesystem::temp_directory_path() / "scsim_bench_trace_io.pb").string();
  std::printf("case,cpu_ns_per_request,fastest,slowest\n");
  for (const int spans : {1, 4, 16}) {
    const std::string suffix = "_" + std::to_string(spans) + "_spans";
    const Totals written = write_trace(path, requests, spans);
    SCSIM_CHECK(read_trace(path) == written);
    SCSIM_CHECK_EQ(written.requests, requests);
    report("write" + suffix, requests, [&] { write_trace(path, requests, spans); });
    report("read" + suffix, requests, [&] { read_trace(path); });
    std::printf("bytes%s,%s,,\n", suffix.c_str(),
                format_fixed(static_cast<double>(std::filesystem::file_size(path)) /
                                 static_cast<double>(requests),
                             1)
                    .c_str());
  }
  std::filesystem::remove(path);
}
