#include "exec/engine/step_sweep.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <set>
#include <string>

#include "traces/check.h"
#include "traces/rng.h"

namespace scsim::exec {
namespace {

struct Chunk {
  std::int64_t cached = 0, fresh = 0;
};

std::int64_t dimension(const OperatorSample& sample, const std::string& name) {
  const auto found =
      std::ranges::find(sample.dimensions, name, &std::pair<std::string, std::int64_t>::first);
  SCSIM_CHECK(found != sample.dimensions.end());
  return found->second;
}

class Planner {
 public:
  Planner(const StepDesign& design, const Engine& engine)
      : design_(design), engine_(engine), knobs_(engine.scheduler().knobs()) {}

  std::vector<OperatorSample> plan() {
    for (const std::int64_t behind : design_.behind) {
      for (const std::int64_t chunk : design_.chunks) add({}, {{behind, chunk}});
    }
    for (const std::int64_t chunk : design_.chunks)
      add({}, {{0, chunk / 2}, {design_.behind.back() / 2, chunk / 4}});
    for (const std::int64_t context : design_.contexts) {
      for (const std::int64_t batch : design_.batches) {
        const auto sequences = static_cast<std::size_t>(batch);
        const std::vector<std::int64_t> equal(sequences, context);
        std::vector<std::int64_t> halving;
        for (std::int64_t left = context; halving.size() < sequences; left /= 2)
          halving.push_back(left);
        add(equal, {});
        add(halving, {});
        mixed(equal);
      }
    }
    Rng rng(design_.seed, "exec.steps.order");
    for (std::size_t n = samples_.size(); n > 1; --n)
      std::swap(samples_[n - 1], samples_[rng.below(n)]);
    return std::move(samples_);
  }

 private:
  // Every third chunk, and what a full step leaves, beside the batch.
  void mixed(const std::vector<std::int64_t>& decodes) {
    const std::int64_t rest = knobs_.max_batched_tokens - std::ssize(decodes);
    for (std::size_t i = 1; i < design_.chunks.size(); i += 3)
      add(decodes, {{design_.behind[i % design_.behind.size()], design_.chunks[i]}});
    add(decodes, {{design_.behind.front(), rest}});
  }

  void add(const std::vector<std::int64_t>& decodes, const std::vector<Chunk>& chunks) {
    const std::int64_t block = knobs_.block_tokens;
    OperatorSample sample;
    sample.name = "engine_step";
    const ModelOptions& options = engine_.model().options();
    const AttentionConfig& shape = engine_.model().config().attention;
    sample.implementation = options.device.is_cpu() ? "cpu" : "cuda";
    sample.type = c10::toString(options.type);
    sample.query_heads = shape.query_heads;
    sample.kv_heads = shape.kv_heads;
    sample.head_dim = shape.head_dim;
    std::int64_t blocks = 0, longest = 0;
    const auto sequence = [&](std::int64_t cached, std::int64_t fresh) {
      sample.cached_tokens.push_back(cached);
      sample.new_tokens.push_back(fresh);
      blocks += (cached + fresh) / block + 2;
      longest = std::max(longest, cached + fresh + 1);
    };
    // A prompt of whole blocks and a token more, whose last token is computed one step before.
    for (const std::int64_t context : decodes)
      sequence(std::max<std::int64_t>(context / block, 1) * block + 1, 1);
    for (const Chunk& chunk : chunks) {
      if (chunk.fresh < 1) return;
      sequence(chunk.cached / block * block, chunk.fresh);
    }
    const std::int64_t tokens =
        std::accumulate(sample.new_tokens.begin(), sample.new_tokens.end(), std::int64_t{0});
    if (tokens > knobs_.max_batched_tokens || blocks > engine_.pool().num_blocks() ||
        std::ssize(sample.new_tokens) > knobs_.max_sequences ||
        longest >= engine_.scheduler().max_model_len())
      return;
    sample.dimensions = {{"decodes", std::ssize(decodes)},
                         {"sampled", std::ssize(sample.new_tokens)},
                         {"method", design_.method}};
    if (known_.insert(operator_key(sample)).second) samples_.push_back(std::move(sample));
  }

  const StepDesign& design_;
  const Engine& engine_;
  const EngineKnobs& knobs_;
  std::set<std::string> known_;
  std::vector<OperatorSample> samples_;
};

// Requests that no other has met.
class Requests {
 public:
  explicit Requests(Engine& engine) : engine_(engine) {}
  ~Requests() {
    for (const JobId job : jobs_) engine_.cancel(job);
  }
  Requests(const Requests&) = delete;
  Requests& operator=(const Requests&) = delete;

  // With the first `planted` tokens in the prefix cache.
  void submit(std::int64_t planted, std::int64_t fresh) {
    static std::uint64_t number = 0;
    Rng rng(++number, "exec.steps.tokens");
    const auto vocabulary = static_cast<std::uint64_t>(engine_.model().config().vocabulary);
    std::vector<std::int32_t> tokens;
    for (std::int64_t i = 0; i < planted + fresh; ++i)
      tokens.push_back(static_cast<std::int32_t>(rng.below(vocabulary)));
    SCSIM_CHECK(engine_.plant(std::span(tokens).first(static_cast<std::size_t>(planted))));
    jobs_.push_back(
        engine_.submit({.tag = number, .prompt = std::move(tokens), .output_tokens = 1 << 20}));
  }

 private:
  Engine& engine_;
  std::vector<JobId> jobs_;
};

}  // namespace

std::vector<OperatorSample> plan_steps(const StepDesign& design, const Engine& engine) {
  return Planner(design, engine).plan();
}

Expected<void> measure_step(OperatorSample& sample, const StepDesign& design, Engine& engine) {
  sample.began_unix_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
                             std::chrono::system_clock::now().time_since_epoch())
                             .count();
  const auto decodes = static_cast<std::size_t>(dimension(sample, "decodes"));
  for (int repeat = 0; repeat < design.repeats; ++repeat) {
    Requests requests(engine);
    for (std::size_t i = 0; i < decodes; ++i) requests.submit(sample.cached_tokens[i] - 1, 1);
    if (decodes > 0) {
      if (const Expected<bool> ready = engine.step(); !ready) return ready.error();
    }
    for (std::size_t i = decodes; i < sample.new_tokens.size(); ++i)
      requests.submit(sample.cached_tokens[i], sample.new_tokens[i]);
    if (const Expected<bool> ran = engine.step(); !ran) return ran.error();
    const StepRecord& step = engine.record();
    SCSIM_CHECK_EQ(step.computed.size(), sample.new_tokens.size());
    for (std::size_t i = 0; i < step.computed.size(); ++i) {
      SCSIM_CHECK_EQ(step.computed[i].cached, sample.cached_tokens[i]);
      SCSIM_CHECK_EQ(step.computed[i].fresh, sample.new_tokens[i]);
    }
    sample.seconds.push_back(step.times.total);
    sample.attended_pairs = sample.bytes_read = 0;
    sample.operations = 0;
    for (const StageCounts& counts : step.counts) {
      sample.attended_pairs += counts.attended_pairs;
      sample.bytes_read += counts.bytes_read;
      sample.operations += counts.operations;
    }
  }
  return {};
}

}  // namespace scsim::exec
