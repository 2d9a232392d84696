// What the engine does in each step: who runs, how many tokens of whom, who waits, who is
// preempted. Tokens and blocks only; nothing here computes.
//
//   Scheduler scheduler(knobs, max_model_len, root_key(model, ""));
//   JobId job = scheduler.add({.tag = 7, .prompt = tokens, .output_tokens = 64});
//   while (scheduler.plan()) {                       // decides a step; scheduler.step() says what
//     std::vector<Sampled> sampled = run(scheduler.step());
//     scheduler.complete(sampled);                   // what it came to
//   }
//
// The decisions are those of vLLM's V1 scheduler (0.33.0), which recorded steps of it hold it to
// (tests/exec/engine/scheduler_test.cpp): running requests in the order of their admission get a
// token, or a chunk of their prompt, out of one budget; where blocks run out the last admitted is
// preempted and computes all of it again later; then waiting requests are admitted, first come
// first served, with what of their prompt is in the blocks of others. A prompt's last token is
// always computed. The simulator has the same decisions in closed form (sim/scheduler.h); this is
// the plain loop, and it knows tokens where the simulator knows spans.
#pragma once

#include <algorithm>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "exec/engine/block_key.h"
#include "exec/engine/block_pool.h"
#include "exec/engine/knobs.h"

namespace scsim::exec {

using JobId = std::int32_t;

struct JobSpec {
  std::uint64_t tag = 0;             // the caller's name for it
  std::vector<std::int32_t> prompt;  // not empty
  std::int64_t output_tokens = 1;    // it ends with so many, if nothing ends it before
  std::string salt = "";             // blocks of one salt are never found by another
  std::int32_t priority = 0;         // smaller goes first
  std::int64_t arrival = 0;          // orders equal priorities
  std::uint64_t tie = 0;             // orders equal arrivals
};

// Where blocks come from that the pool does not hold (block_store.h).
class BlockSource {
 public:
  virtual ~BlockSource() = default;
  // How many of the first of these blocks are there; a question.
  virtual std::int64_t available(std::span<const BlockKey> keys) = 0;
  // Gets them ready; gives how many of the first there were after all.
  virtual std::int64_t fetch(std::span<const BlockKey> keys) = 0;
  // The `number`th of those got ready is to be in `block`. REQUIRES: nothing was fetched since.
  virtual void place(std::int64_t number, BlockId block) = 0;
  // A prompt begins with these blocks, wherever they were found.
  virtual void used(std::span<const BlockKey> keys) = 0;
};

// What becomes of a prompt whose method compresses its cache at the end. Such a cache is its
// request's alone: nobody finds its blocks, and it finds none.
class PromptCompression {
 public:
  virtual ~PromptCompression() = default;
  // The most tokens that it holds on the way, in tokens of an uncompressed cache.
  virtual std::int64_t peak(std::int64_t prompt_tokens) const = 0;
};

struct Step {
  struct Computed {
    JobId job;
    std::int64_t cached;  // tokens whose KV is there
    std::int64_t fresh;   // tokens behind them that are computed now
    bool decode;          // the last token of its answer so far; else of what it was admitted with
    bool samples;         // nothing of it is left to compute: it gets its next token
  };
  struct Admitted {
    JobId job;
    std::int64_t found;   // tokens in blocks that were there
    bool resumed;         // after a preemption
    std::int64_t lost;    // tokens to compute again that the preemption lost
    std::int64_t loaded;  // tokens behind those found that came from the source
  };
  std::vector<Computed> computed;  // in the order of admission
  std::vector<Admitted> admitted;
  std::vector<JobId> preempted;
};

class Scheduler {
 public:
  // Hears, while a step is planned or completed, what can be found in blocks from now on.
  struct Listener : EvictionListener {
    // The `number`th block of the job; under Visible::kScheduled the step that computes it is yet
    // to come.
    virtual void registered(JobId job, std::int64_t number, BlockId block) = 0;
  };

  // REQUIRES: knobs.num_blocks > 0.
  Scheduler(const EngineKnobs& knobs, std::int64_t max_model_len, std::string model);
  // REQUIRES (both): they outlive the scheduler.
  void set_listener(Listener* listener);
  void set_source(BlockSource* source) { source_ = source; }
  // REQUIRES: no job has come yet.
  bool compresses() const { return compression_ != nullptr; }
  void set_compression(const PromptCompression* compression) { compression_ = compression; }

  // Why such a request could never run here, if so.
  std::optional<std::string> refuse(std::int64_t prompt_tokens) const;
  JobId add(JobSpec spec);  // REQUIRES: !refuse(...)
  void cancel(JobId job);   // waiting or running, between steps
  // Makes findable, between steps, blocks that were computed elsewhere and hold all of `tokens`,
  // whole blocks; gives the new ones in their order, none if there is no room for them.
  std::optional<std::vector<BlockId>> insert(std::span<const std::int32_t> tokens,
                                             std::string_view salt);

  // Decides the next step; false when nothing can run. A step may be empty and yet have preempted:
  // plan again.
  bool plan();
  const Step& step() const { return step_; }

  // The step has ended the job's prompt and left so many tokens of its cache; further ones come
  // behind these. REQUIRES: the step is planned and gives it its next token; there is a
  // compression.
  void compressed(JobId job, std::int64_t kept);

  struct Sampled {
    JobId job;
    std::int32_t token;
    bool last = false;  // the answer ends with it
  };
  // REQUIRES: one for each of the step's that samples, in their order. Gives who has ended with it;
  // their numbers are good until the next add() or plan().
  const std::vector<JobId>& complete(std::span<const Sampled> sampled);

  std::uint64_t tag(JobId job) const { return of(job).spec.tag; }
  // Prompt and answer so far.
  std::span<const std::int32_t> tokens(JobId job) const { return of(job).tokens; }
  std::int64_t prompt_tokens(JobId job) const { return of(job).prompt; }
  std::int64_t produced(JobId job) const { return std::ssize(of(job).tokens) - of(job).prompt; }
  std::span<const BlockId> blocks(JobId job) const { return of(job).blocks; }
  std::int64_t running() const { return std::ssize(running_); }
  std::int64_t waiting() const { return std::ssize(waiting_); }
  const BlockPool& pool() const { return pool_; }
  const EngineKnobs& knobs() const { return knobs_; }
  std::int64_t max_model_len() const { return max_model_len_; }

 private:
  struct Job {
    JobSpec spec;
    std::vector<std::int32_t> tokens;
    std::vector<BlockKey> keys;  // of its full blocks, as far as they were needed
    std::vector<BlockId> blocks;
    std::int64_t prompt = 0;
    std::int64_t computed = 0;    // tokens whose KV is, or after the step will be, in its blocks
    std::int64_t registered = 0;  // blocks
    std::int64_t target = 0;      // tokens at which it ends
    std::int64_t lost = 0;        // tokens computed when it was preempted
    std::int64_t dropped = 0;     // tokens computed that its cache does not hold
    bool decodes = false;         // has computed all it was admitted with
    bool preempted = false;
  };
  Job& of(JobId job) { return *jobs_[static_cast<std::size_t>(job)]; }
  const Job& of(JobId job) const { return *jobs_[static_cast<std::size_t>(job)]; }

  std::int64_t blocks_for(std::int64_t tokens) const {
    return (tokens + knobs_.block_tokens - 1) / knobs_.block_tokens;
  }
  // Blocks once so many of its tokens are computed; at the end of a prompt that is compressed,
  // those of the compression too.
  std::int64_t blocks_for(const Job& job, std::int64_t tokens) const {
    const bool ends = compression_ != nullptr && !job.decodes && tokens == std::ssize(job.tokens);
    return blocks_for(ends ? std::max(tokens, compression_->peak(tokens)) : tokens - job.dropped);
  }
  const BlockKey& key(Job& job, std::int64_t number);
  void take_blocks(Job& job, std::int64_t tokens);
  void register_blocks(JobId id, std::int64_t tokens);
  void release(Job& job);
  void push_waiting(JobId job, bool first);
  void visit_running();
  bool make_room(JobId job, std::int64_t tokens, std::size_t& at);
  void preempt(JobId job);
  bool admit();

  EngineKnobs knobs_;
  std::int64_t max_model_len_;
  std::string model_;
  BlockPool pool_;
  Listener* listener_ = nullptr;
  BlockSource* source_ = nullptr;
  const PromptCompression* compression_ = nullptr;
  std::vector<std::unique_ptr<Job>> jobs_;
  std::vector<JobId> unused_, ended_;
  std::list<JobId> waiting_;
  std::vector<JobId> running_;  // in the order of admission

  // Cadence of prefill (knob prefill_interval): steps executed, the last with prefill, and whether
  // requests were left waiting for want of room.
  std::int64_t executed_ = 0, last_prefill_ = 0;
  bool bound_ = false;

  // The step being planned.
  Step step_;
  std::int64_t budget_ = 0, threshold_ = 0;
  bool planned_ = false, deferring_ = false, prefilled_ = false;
};

}  // namespace scsim::exec
