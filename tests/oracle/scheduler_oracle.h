// What an engine decides at each step, the slow way: one list of running requests, one of waiting
// ones, every request visited at every step, every block kept apart (block_pool_oracle.h).
//
// With mixed batching and blocks visible as scheduled it is vLLM's V1 scheduler as its recorded
// steps show it (tests/data/vllm_v1); the other knobs are what sim/engine_preset.h says of them.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <vector>

#include "sim/engine_preset.h"
#include "tests/oracle/block_pool_oracle.h"

namespace scsim::oracle {

class SchedulerOracle {
 public:
  struct Spec {
    std::uint64_t tag = 0;
    BlockPoolOracle::Request written;  // the tokens of prompt and answer
    std::int64_t prompt = 0, output = 0;
    std::int64_t max_output = 0;  // 0: no limit stated
    std::int64_t priority = 0, arrival = 0;
  };
  struct Computed {
    std::uint64_t tag;
    std::int64_t cached, fresh;
    bool decode;  // the last token of its answer so far; else of what it is admitted with
    bool samples;
  };
  struct Admitted {
    std::uint64_t tag;
    std::int64_t found;
    bool resumed;
    std::int64_t found_lossy, loaded;
  };
  struct Load {
    std::uint64_t tag;
    std::int64_t found, found_lossy, upto;
  };
  struct Step {
    std::vector<Computed> computed;  // in the order of admission
    std::vector<Admitted> admitted;
    std::vector<Load> loads;
    std::vector<std::uint64_t> preempted, abandoned;
    std::int64_t swapped_out = 0, swapped_in = 0;
  };
  struct Happened {
    std::vector<std::uint64_t> first_tokens, finished;
  };

  // What a request could have of its first `most` tokens when its blocks hold the first `found`.
  using Loadable =
      std::function<std::int64_t(std::uint64_t tag, std::int64_t found, std::int64_t most)>;

  SchedulerOracle(const sim::EngineKnobs& knobs, std::int64_t num_blocks,
                  std::int64_t max_model_len, Loadable loadable = {});

  void add(const Spec& spec);
  void cancel(std::uint64_t tag);
  void loaded(std::uint64_t tag, std::int64_t tokens, bool lossy);
  Step plan();
  Happened complete(const Step& step);

  std::size_t waiting() const { return waiting_.size(); }
  std::size_t running() const { return running_.size(); }
  std::size_t loading() const { return loading_.size(); }
  const BlockPoolOracle& pool() const { return pool_; }

 private:
  struct Job : Spec {
    std::int64_t known = 0;     // tokens of prompt and answer so far
    std::int64_t computed = 0;  // of those
    std::int64_t target = 0, reserve = 0;
    std::int64_t swapped = 0;  // computed tokens whose KV is on the host
    bool decodes = false;      // has computed all it was admitted with
    bool preempted = false;
    bool holding = false;  // what was loaded, while it waits
    std::int64_t found = 0, found_lossy = 0;
  };
  using JobPtr = std::shared_ptr<Job>;

  std::int64_t blocks_for(std::int64_t tokens) const;
  std::int64_t free_blocks() const { return static_cast<std::int64_t>(pool_.free_blocks()); }
  static std::int64_t held(const Job& job) {
    return static_cast<std::int64_t>(job.written.blocks.size());
  }
  void register_blocks(Job& job, std::int64_t computed, bool lossy = false);
  void release(Job& job);
  void push_waiting(const JobPtr& job, bool first);
  bool abandon(Step& step);
  bool visit_running(Step& step, bool prefill, bool decode);
  void preempt(const JobPtr& job, Step& step);
  bool admit(Step& step);
  double reserved(const Job& job) const;

  sim::EngineKnobs knobs_;
  std::int64_t num_blocks_, max_model_len_;
  BlockPoolOracle pool_;
  std::list<JobPtr> waiting_;
  std::vector<JobPtr> running_;  // in the order of admission
  std::vector<JobPtr> loading_;  // neither waiting nor running
  std::vector<JobPtr> holding_;  // waiting, in the order in which they were loaded
  Loadable loadable_;

  std::int64_t executed_ = 0, last_prefill_;
  bool bound_ = false;
  // Of the step being planned.
  std::int64_t budget_ = 0, threshold_ = 0;
  bool deferring_ = false, prefilled_ = false;
};

}  // namespace scsim::oracle
