// How fast the simulator is, on the default cluster. The answer is checked first: each case states
// what the run must give, to the last token and nanosecond.
//
//   bench_simulate [case...]            cases: plain, plain_1m, conversation, conversation_busy,
//                                       conversation_tiers, conversation_cost, enterprise_node,
//                                       enterprise_1k
//
// plain: 2,048 tokens in and 256 out, 40 a second, nothing shared. conversation: the public
// Mooncake conversation trace repeated 20 times (240,620 requests; needs the data folder, else
// skipped); _busy: its arrivals 1.3 times as fast; _tiers: with DRAM and NVMe on the node and a
// shared remote store; _cost: with the router least_cost. enterprise: an hour of the workload of
// examples/enterprise_docs with a store that all nodes share: _node, one node of 8 engines and
// 8,000 requests; _1k, 1,000 engines and 1,000,000 requests. A CSV line per case: CPU seconds of
// the process over five runs after a warm-up (enterprise_1k: one run), the part of them spent
// reading the trace, requests per second of the median, and the most memory the process has had so
// far.
#include <sys/resource.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <ctime>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sim/simulation.h"
#include "tests/support/real_data.h"
#include "tests/support/temporary_folder.h"
#include "traces/generate.h"
#include "traces/proto/cluster.pb.h"
#include "traces/proto/recipe.pb.h"
#include "traces/trace_cut.h"
#include "traces/trace_format.h"
#include "traces/yaml_message.h"

namespace scsim {
namespace {

struct Answer {
  std::uint64_t requests = 0;
  std::int64_t found_tokens = 0, end_ns = 0, steps = 0, fetched_tokens = 0;
  std::uint64_t cancelled = 0;
  friend bool operator==(const Answer&, const Answer&) = default;
};

struct Case {
  std::string name;
  // The path of its trace; nothing where the data is absent (said on stdout).
  std::function<std::optional<std::string>(const test::TemporaryFolder& folder)> make;
  Answer expected;
  std::string cluster = "";  // YAML; the default cluster unless given
  bool once = false;         // a single run
};

double peak_gigabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / (1 << 20);
}

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

std::optional<std::string> plain(const test::TemporaryFolder& folder, std::uint64_t requests) {
  proto::Recipe recipe;
  SCSIM_CHECK(read_yaml_text("{duration: 0 s, arrivals: {rate: 40}, plain: {}}", "plain", recipe)
                  .has_value());
  recipe.set_requests(requests);
  const std::string path = folder.file("plain.pb");
  SCSIM_CHECK(generate_trace(recipe, "plain", path, "bench_simulate").has_value());
  return path;
}

std::optional<std::string> conversation(const test::TemporaryFolder& folder, double speed) {
  const auto data = test::real_data("traces/mooncake/conversation_trace.jsonl.zst");
  if (!data) return std::nullopt;
  const std::string once = folder.file("once.pb"), path = folder.file("conversation.pb");
  ImportInputs inputs;
  inputs.paths = {*data};
  SCSIM_CHECK(import_trace("mooncake", inputs, once, "bench_simulate").has_value());
  CutOptions options;
  options.repeat = 20;
  options.speed = speed;
  SCSIM_CHECK(cut_trace(once, path, options, "bench_simulate").has_value());
  return path;
}

// `rate` in sessions per second, over the day; in the hour of the trace twice as many come.
std::optional<std::string> enterprise(const test::TemporaryFolder& folder, const std::string& rate,
                                      const std::string& requests) {
  const std::string path = folder.file("enterprise.pb");
  const RecipeInput recipe{
      .path = std::string(SCSIM_SOURCE_DIR) + "/examples/enterprise_docs/recipe.yaml",
      .settings = {"arrivals.rate=" + rate, "requests=" + requests}};
  SCSIM_CHECK(generate_trace(recipe, path, "bench_simulate").has_value());
  return path;
}

// One-GPU engines, eight to a node, and a store of 10 GB/s and 100 GiB for each of them.
std::string shared_store(int engines) {
  return "{pools: [{gpus: " + std::to_string(engines) +
         ", gpus_per_node: 8}], network: {nic_bandwidth: 50 GB/s}, store: {tiers: [{name: store, "
         "medium: remote, latency: 200 us, capacity: " +
         std::to_string(engines * 100) + " GiB, read_bandwidth: " + std::to_string(engines * 10) +
         " GB/s, write_bandwidth: " + std::to_string(engines * 10) + " GB/s}]}}";
}

constexpr const char* kTiers = R"(
store:
  block_tokens: 512
  tiers:
    - {medium: dram, capacity: 512 GiB}
    - {medium: nvme, capacity: 2 TiB, write: back}
    - {medium: remote, capacity: 16 TiB, read_bandwidth: 25 GB/s, write_bandwidth: 25 GB/s}
)";

constexpr const char* kLeastCost = "router: {policy: least_cost}\n";

Answer simulate_once(const std::string& path, const std::string& yaml) {
  proto::ClusterConfig config = sim::default_cluster_config();
  if (!yaml.empty()) SCSIM_CHECK(read_yaml_text(yaml, "cluster", config).has_value());
  const auto cluster = sim::resolve_cluster(config);
  SCSIM_CHECK(cluster.has_value());
  auto trace = TraceReader::open(path);
  SCSIM_CHECK(trace.has_value());
  const auto result = sim::simulate(*trace, *cluster, {});
  SCSIM_CHECK(result.has_value());
  Answer answer;
  answer.requests = result->requests.size();
  answer.end_ns = result->end.ns();
  for (const RequestResult& request : result->requests) {
    if (request.outcome == Outcome::kCancelled) {
      ++answer.cancelled;
    } else {
      SCSIM_CHECK(request.outcome == Outcome::kFinished);
    }
    answer.found_tokens += request.found_tokens;
  }
  for (const EngineResult& engine : result->engines) answer.steps += engine.steps;
  for (const TierResult& tier : result->tiers) answer.fetched_tokens += tier.fetched_tokens;
  return answer;
}

void read_once(const std::string& path) {
  auto trace = TraceReader::open(path);
  Request request;
  while (*trace->next(request)) {
  }
}

bool run(const Case& which) {
  const test::TemporaryFolder folder;
  const std::optional<std::string> made = which.make(folder);
  if (!made) return true;
  const std::string& path = *made;
  std::vector<double> seconds, reading;
  const double begin = cpu_seconds();
  const Answer answer = simulate_once(path, which.cluster);
  if (which.once) seconds.push_back(cpu_seconds() - begin);
  if (answer != which.expected) {
    std::printf("%s,WRONG: %" PRIu64 " requests, %" PRId64 " tokens found, end at %" PRId64
                " ns, %" PRId64 " steps, %" PRId64 " tokens fetched, %" PRIu64 " cancelled\n",
                which.name.c_str(), answer.requests, answer.found_tokens, answer.end_ns,
                answer.steps, answer.fetched_tokens, answer.cancelled);
    return false;
  }
  for (int i = 0; i < (which.once ? 1 : 5); ++i) {
    const double start = cpu_seconds();
    if (!which.once) simulate_once(path, which.cluster);
    const double middle = cpu_seconds();
    read_once(path);
    if (!which.once) seconds.push_back(middle - start);
    reading.push_back(cpu_seconds() - middle);
  }
  std::ranges::sort(seconds);
  std::ranges::sort(reading);
  std::printf("%s,%" PRIu64 ",%.3f,%.3f,%.3f,%.3f,%.0f,%.2f\n", which.name.c_str(), answer.requests,
              seconds.front(), seconds[seconds.size() / 2], seconds.back(),
              reading[reading.size() / 2],
              static_cast<double>(answer.requests) / seconds[seconds.size() / 2], peak_gigabytes());
  return true;
}

}  // namespace
}  // namespace scsim

int main(int argc, char** argv) {
  using namespace scsim;
  const std::vector<Case> cases = {
      {"plain",
       [](const test::TemporaryFolder& f) { return plain(f, 300'000); },
       {300000, 0, 7497181561003, 7641464}},
      {"plain_1m",
       [](const test::TemporaryFolder& f) { return plain(f, 1'000'000); },
       {1000000, 0, 25008994618435, 25498938}},
      {"conversation",
       [](const test::TemporaryFolder& f) { return conversation(f, 1); },
       {240620, 625812864, 70753003388159, 56895349}},
      {"conversation_busy",
       [](const test::TemporaryFolder& f) { return conversation(f, 1.3); },
       {240620, 617860128, 54428534992449, 47672631}},
      {"conversation_tiers",
       [](const test::TemporaryFolder& f) { return conversation(f, 1); },
       {240620, 625343520, 70752666749640, 57641140, 385357488},
       kTiers},
      {"conversation_cost",
       [](const test::TemporaryFolder& f) { return conversation(f, 1); },
       {240620, 642968768, 70752812863056, 56867735},
       kLeastCost},
      {"enterprise_node",
       [](const test::TemporaryFolder& f) { return enterprise(f, "0.2", "8000"); },
       {8000, 181078880, 3797679153413, 1257659, 4386064, 12},
       shared_store(8)},
      {"enterprise_1k",
       [](const test::TemporaryFolder& f) { return enterprise(f, "25", "1000000"); },
       {1000000, 21138317664, 3649628131432, 29728370, 4120459792, 3847},
       shared_store(1000),
       true},
  };
  std::printf(
      "case,requests,cpu_s_min,cpu_s_median,cpu_s_max,of_it_reading_s,requests_per_cpu_s,"
      "peak_gib\n");
  bool right = true;
  for (const Case& which : cases) {
    const std::vector<std::string> wanted(argv + 1, argv + argc);
    if (wanted.empty() || std::ranges::find(wanted, which.name) != wanted.end())
      right = run(which) && right;
  }
  return right ? 0 : 1;
}
