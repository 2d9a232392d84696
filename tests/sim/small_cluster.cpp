#include "tests/sim/small_cluster.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/support/trace_files.h"

namespace scsim::test {
namespace {

class LinearCostModel final : public cost_models::StepCostModel {
 public:
  explicit LinearCostModel(const LinearCost& cost) : cost_(cost) {}

  cost_models::StepCost step(const cost_models::StepShape& shape) const override {
    cost_models::StepCost cost;
    cost.fixed[static_cast<std::size_t>(Stage::kOther)] = cost_.step;
    cost.fixed[static_cast<std::size_t>(Stage::kGeneration)] =
        cost_.prefill_token * static_cast<double>(shape.prefill_tokens) +
        cost_.prefill_pair * shape.prefill_pairs;
    cost.fixed[static_cast<std::size_t>(Stage::kDecode)] =
        cost_.decode_sequence * static_cast<double>(shape.decode_sequences);
    const std::size_t loading = static_cast<std::size_t>(Stage::kLoading);
    cost.per_context_token[loading] = cost_.context_token;
    for (std::size_t w = 0; w < cost_.windows.size(); ++w)
      cost.per_windowed_token[w][loading] = cost_.windowed_token;
    return cost;
  }
  const std::vector<std::int64_t>& windows() const override { return cost_.windows; }
  std::vector<std::string> honesty() const override { return {"synthetic"}; }

 private:
  LinearCost cost_;
};

}  // namespace

sim::Pool small_pool(const LinearCost& cost, const sim::EngineKnobs& knobs, std::int64_t num_blocks,
                     int engines) {
  sim::Pool pool;
  pool.name = pool.model_name = pool.model.name = "small";
  pool.gpu.host_bandwidth = BytesPerSecond(1e9);
  pool.knobs = knobs;
  pool.num_blocks = num_blocks;
  pool.max_model_len = num_blocks * knobs.block_tokens;
  if (knobs.max_model_len > 0)
    pool.max_model_len = std::min(pool.max_model_len, knobs.max_model_len);
  pool.engines = engines;
  pool.gpus_per_engine = 1;
  pool.serves_every_model = true;
  pool.cost_model = std::make_unique<LinearCostModel>(cost);
  return pool;
}

sim::Cluster small_cluster(const LinearCost& cost, const sim::EngineKnobs& knobs,
                           std::int64_t num_blocks, int engines) {
  sim::Cluster cluster;
  cluster.pools.push_back(small_pool(cost, knobs, num_blocks, engines));
  cluster.router = "round_robin";
  return cluster;
}

ContentId SmallTrace::content(std::int64_t tokens) {
  contents_.emplace_back(tokens);
  return ContentId(contents_.size() - 1);
}

Request& SmallTrace::ask(TimePoint arrival, const std::vector<Span>& prompt,
                         std::int64_t output_tokens) {
  Request request = open_request(arrival, prompt);
  request.session = SessionId(requests_.size());
  request.output = content(output_tokens);
  request.output_tokens = request.max_tokens = Tokens(output_tokens);
  return requests_.emplace_back(std::move(request));
}

Request& SmallTrace::ask(TimePoint arrival, std::int64_t prompt_tokens,
                         std::int64_t output_tokens) {
  return ask(arrival, std::vector<Span>{{content(prompt_tokens), Tokens(0), Tokens(prompt_tokens)}},
             output_tokens);
}

Request& SmallTrace::follow(const std::vector<std::uint64_t>& parents, Duration think,
                            std::int64_t prompt_tokens, std::int64_t output_tokens) {
  const TimePoint earliest = requests_.empty() ? TimePoint{} : requests_.back().earliest;
  Request& request = ask(earliest, prompt_tokens, output_tokens);
  request.arrival.reset();
  for (const std::uint64_t parent : parents) request.parents.emplace_back(parent);
  request.think = think;
  return request;
}

Result run(const SmallTrace& trace, const sim::Cluster& cluster) {
  const TemporaryFolder folder;
  write_trace(folder.file("t.pb"), trace.contents(), trace.requests());
  Expected<TraceReader> reader = TraceReader::open(folder.file("t.pb"));
  if (!reader) FAIL(reader.error().message);
  Expected<Result> result = sim::simulate(*reader, cluster, {});
  if (!result) FAIL(result.error().message);
  return std::move(*result);
}

const RequestResult& result_of(const Result& result, std::uint64_t request) {
  const auto found = std::ranges::find(result.requests, request, &RequestResult::request);
  REQUIRE(found != result.requests.end());
  return *found;
}

}  // namespace scsim::test
