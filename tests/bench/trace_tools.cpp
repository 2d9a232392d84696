// How long a request takes to generate, to survey (stat) and to copy (cut). Answers are checked
// first: generated lengths, found and unique tokens that add up, every request copied.
//
//   bench_trace_tools [requests]
//
// Prints one CSV line per case: the median of five runs after a warm-up, and their spread.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "tests/support/temporary_folder.h"
#include "traces/files.h"
#include "traces/generate.h"
#include "traces/text.h"
#include "traces/trace_cut.h"
#include "traces/trace_stat.h"

namespace scsim {
namespace {

template <class Function>
void time_of(const std::string& name, std::uint64_t requests, Function&& run) {
  std::vector<double> ns;
  for (int i = 0; i < 6; ++i) {
    const auto start = std::chrono::steady_clock::now();
    run();
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    if (i > 0) ns.push_back(took.count() / static_cast<double>(requests));
  }
  std::ranges::sort(ns);
  std::printf("%s,%s,%s,%s\n", name.c_str(), format_fixed(ns[2], 1).c_str(),
              format_fixed(ns.front(), 1).c_str(), format_fixed(ns.back(), 1).c_str());
}

void measure(const std::string& name, const std::string& recipe, std::uint64_t requests) {
  const test::TemporaryFolder folder;
  const std::string trace = folder.file("t.pb");
  SCSIM_CHECK(write_file(folder.file("recipe.yaml"), recipe).has_value());
  const RecipeInput input{.path = folder.file("recipe.yaml"),
                          .settings = {"requests=" + std::to_string(requests)}};
  const auto generate = [&] { return *generate_trace(input, trace, "bench"); };
  const auto survey = [&] { return *stat_trace(trace); };
  const auto cut = [&] { return *cut_trace(trace, folder.file("cut.pb"), {.speed = 2}, "bench"); };

  SCSIM_CHECK_EQ(generate().requests, requests);
  const TraceStat stat = survey();
  SCSIM_CHECK_EQ(stat.requests, requests);
  SCSIM_CHECK_EQ(stat.prefix_tokens.found + stat.unique_tokens, stat.prefix_tokens.total);
  SCSIM_CHECK_EQ(cut().requests, requests);
  time_of("generate_" + name, requests, generate);
  time_of("stat_" + name, requests, survey);
  time_of("cut_" + name, requests, cut);
}

}  // namespace
}  // namespace scsim

int main(int argc, char** argv) {
  using namespace scsim;
  const auto requests = static_cast<std::uint64_t>(argc > 1 ? *parse_integer(argv[1]) : 1'000'000);
  std::printf("case,ns_per_request,fastest,slowest\n");
  measure("plain", "plain: {}\nduration: 0 s\narrivals: {rate: 1000}\n", requests);
  measure("enterprise_docs", "enterprise_docs: {}\nduration: 0 s\narrivals: {rate: 10}\n",
          requests);
  measure("agents", "agents: {}\nduration: 0 s\n", requests / 4);
}
