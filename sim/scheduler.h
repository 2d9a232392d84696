// What an engine decides at each step: who runs, how many tokens of whom, who waits, who is
// preempted.
//
//   Scheduler scheduler(knobs, num_blocks, max_model_len);
//   JobId job = scheduler.add(spec);
//   while (scheduler.plan(now)) {                  // decides one step; scheduler.step() says what
//     std::int64_t steps = scheduler.repeats();    // how often that step repeats with nothing to
//     decide scheduler.complete(steps, now, hear);        // what happened by their end
//   }
//
// The decisions are those of vLLM's V1 scheduler (0.33.0), step by step, which recorded scenarios
// and tests hold it to; knobs turn it into others. What differs is the cost: requests that decode
// are not visited. They form a group whose members all advance by one token a step; what a step
// needs (tokens, new blocks, context read) follows from sums over the group, and the next step at
// which one of them finishes or the blocks run out is known in advance. A step in which the group
// cannot advance as a whole (budget or blocks too few) is decided member by member, in vLLM's
// order.
//
// What the engine's own blocks do not hold may be had from elsewhere (KvSource): such a request is
// given the blocks of its whole prompt and leaves the queue while its KV is loaded; the others go
// on. Once loaded() it goes back to the head of the queue (by priority: to its place) and needs no
// further blocks to be admitted. Loaded requests that wait give their blocks up, the last loaded
// first, when nothing can run otherwise, or when the only running request needs them to go on; so
// loads never bring an engine to a halt. Where loads block, it is admitted at once instead, and the
// step takes as much longer as the bytes take.
//
// Where tenants have limits in the engine's memory, a request is admitted with the blocks of its
// prompt and of the longest answer it may give (max_tokens), and takes none afterwards: so no
// tenant ever needs what another was promised, and one that is at its quota does not keep the
// others waiting.
//
// A job may have a method that compresses the cache of its prompt (sim/compression.h). While such a
// prompt is computed its blocks are nobody else's; when it ends, they are exchanged for those of
// what is kept, which from then on count as the job's first tokens: its path is "the cache of that
// prompt" and what comes behind, and all of blocks, contexts and reuse follows from that path
// (scheduler_compression.cpp). A later prompt that begins with the same tokens finds it, all or
// none.
//
// INV-ORACLE: the number of tokens a request will produce decides when it finishes and nothing
// else.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "sim/block_pool.h"
#include "sim/compression.h"
#include "sim/decode_group.h"
#include "sim/engine_preset.h"
#include "sim/token_path.h"
#include "sim/waiting_queue.h"
#include "traces/time.h"
#include "traces/trace.h"

namespace scsim::sim {

class MethodModel;

using JobId = std::int32_t;
inline constexpr JobId kNoJob = -1;

struct JobSpec {
  std::uint64_t tag = 0;  // the caller's name for it
  std::span<const Span> prompt;
  ContentId output;
  std::int64_t output_tokens = 0;  // when it ends, if max_tokens does not end it before
  std::int64_t max_tokens = 0;     // what admission may reserve for; 0: no limit
  std::uint64_t salt = 0;
  std::size_t partition = 0;                     // of the blocks: the tenant's, if it has limits
  std::int32_t priority = 0;                     // smaller goes first
  std::uint32_t flow = 0;                        // whose it is, for order wfq
  double weight = 1;                             // of the flow
  std::int64_t arrival = 0;                      // orders equal priorities
  std::uint64_t tie = 0;                         // orders equal arrivals
  const MethodModel* method = nullptr;           // null: full attention
  const CompressionRule* compression = nullptr;  // the method's, if it compresses
  bool lossy = false;                            // what it leaves is not what full attention would
  // Engines that share a request (sim/disaggregation.h). One computes the prompt and samples a
  // token; then its blocks are kept for the other until the job is cancelled. The other waits with
  // blocks for the whole prompt until loaded(), and may then have a token of the answer to begin
  // with.
  bool hand_over = false, arriving = false;
  std::int64_t answered = 0;  // tokens of the answer that come with the prompt
};

// Where KV comes from that is not in the engine's own blocks.
class KvSource {
 public:
  virtual ~KvSource() = default;
  // How many of the job's first tokens the engine can have once they are loaded: `found` (what its
  // blocks hold) or more, at most `most`. A question that changes nothing; Step::loads says that it
  // was decided.
  virtual std::int64_t loadable(JobId job, std::int64_t found, std::int64_t most,
                                TimePoint now) = 0;
  // Where loads block the engine (EngineKnobs::Loads; a source of others need not say): the job is
  // admitted, and its tokens from `found` to `upto`, which may be none, are loaded ahead of the
  // step being decided. Whether any is lossy.
  virtual bool load(JobId /*job*/, std::int64_t /*found*/, std::int64_t /*upto*/,
                    TimePoint /*now*/) {
    return false;
  }
  // Seconds that the engine has to wait for blocks that came or went since this was last asked.
  virtual double take_blocked_seconds() { return 0; }
};

// One step as a cost model sees it (and as a log shows it).
struct Step {
  struct Prefill {
    JobId job;
    std::int64_t cached;  // tokens computed before this step
    std::int64_t fresh;   // tokens computed in it
    bool last;            // ends the prompt: a token is sampled
    // Of the last, tokens that are compressed at its end; 0: nothing is.
    std::int64_t compressed = 0;
    bool decodes = false;  // its one token is one of the answer, as of those that decode
  };
  struct Admitted {
    JobId job;
    std::int64_t found;        // tokens found in the prefix cache
    std::int64_t found_lossy;  // of those, such as came through a lossy codec
    std::int64_t loaded;       // tokens behind them that were loaded
    bool resumed;
    std::int64_t lost;  // tokens to compute again that a preemption lost
  };
  struct Load {
    JobId job;
    std::int64_t found, found_lossy;
    std::int64_t upto;  // tokens it will have
    bool resumed;
    bool arriving = false;  // from another engine
  };
  std::vector<Load> loads;          // to be begun now; a step may have nothing else
  std::vector<JobId> abandoned;     // loads given up; those jobs wait as if nothing had been loaded
  std::vector<Prefill> prefills;    // in the order they were scheduled
  std::int64_t decodes = 0;         // sequences that compute one token
  std::int64_t decode_context = 0;  // tokens those read, themselves included, over all of them
  std::array<std::int64_t, 2> windowed_context{};  // the same, no more than the window each
  std::vector<Admitted> admitted;
  std::vector<JobId> preempted;
  std::vector<JobId> idle;                       // running, but no token in this step
  std::int64_t swapped_out = 0, swapped_in = 0;  // tokens whose KV moves to the host, and back

  bool empty() const { return prefills.empty() && decodes == 0; }
  void clear();
};

class Scheduler final : private ChainGrowth {
 public:
  // What complete() tells. A job is gone after `finished`.
  struct Listener {
    virtual ~Listener() = default;
    virtual void first_token(JobId job) = 0;  // or the first after a preemption
    virtual void finished(JobId job) = 0;
  };

  // REQUIRES: at most two windows. Without `paths`, those of several engines, it keeps its own.
  Scheduler(const EngineKnobs& knobs, std::int64_t num_blocks, std::int64_t max_model_len,
            std::vector<std::int64_t> windows = {}, TokenPaths* paths = nullptr,
            std::vector<PartitionLimit> limits = {});
  // REQUIRES: it outlives the scheduler.
  void set_source(KvSource* source) { source_ = source; }

  // Why such a request could never run here, if so: a kind of reason, and what it was for this one.
  struct Refusal {
    std::string kind, detail;
  };
  std::optional<Refusal> refuse(std::int64_t prompt_tokens, std::int64_t max_tokens = 0,
                                std::size_t partition = 0,
                                const CompressionRule* compression = nullptr) const;
  JobId add(const JobSpec& spec);
  // Waiting, running or set aside; between steps.
  void cancel(JobId job, TimePoint now);
  // Tokens of such a job's prompt, but for the last one, that its blocks hold now.
  std::int64_t cached_tokens(const JobSpec& spec);

  // Decides the next step; false when nothing can run, though loads may begin. REQUIRES: the last
  // plan was completed.
  bool plan(TimePoint now);
  const Step& step() const { return step_; }
  // That the step waits for blocks that move, and was not told of before.
  double take_blocked_seconds() { return source_ == nullptr ? 0 : source_->take_blocked_seconds(); }
  // The job's first `tokens` tokens are in its blocks: at least what was found, at most what was to
  // be loaded. REQUIRES: no step is planned.
  void loaded(JobId job, std::int64_t tokens, bool lossy, TimePoint now);

  // How many times in a row the planned step happens (its context growing by `decodes` each time)
  // before something has to be decided. At least 1. Arrivals and cancellations cut it short.
  std::int64_t repeats() const { return repeats_; }
  // Growth of step().windowed_context[i] per repeat. REQUIRES: repeats() > 1.
  std::array<std::int64_t, 2> windowed_growth() const { return group_.windowed_growth(); }
  // REQUIRES: 1 <= steps <= repeats().
  void complete(std::int64_t steps, TimePoint now, Listener& listener);

  // Two requests that preempt each other for ever, unless somebody comes or goes: the scheduler
  // goes round in a circle in which nobody gets a token.
  std::optional<std::pair<JobId, JobId>> endless() const;

  std::uint64_t tag(JobId job) const { return jobs_[job].tag; }
  std::int64_t produced(JobId job) const;      // tokens answered
  std::int64_t known_tokens(JobId job) const;  // prompt and answer so far
  bool decoding(JobId job) const { return jobs_[job].state == State::kDecode; }
  std::int64_t waiting() const { return waiting_.size(); }
  std::int64_t running() const { return num_running_; }
  std::int64_t loading() const { return num_loading_; }  // neither waiting nor running
  std::int64_t aside() const { return num_aside_; }      // computed for another engine; likewise
  PathId path(JobId job) const { return jobs_[job].path; }
  // Calls f(job) for each running job in the order of admission.
  template <class F>
  void for_each_running(F f) const {
    for (JobId job = first_running_; job != kNoJob; job = jobs_[job].next) f(job);
  }
  // What the planned step gives each running job, in the order of admission; cost O(running), for
  // logs.
  std::vector<std::pair<JobId, std::int64_t>> scheduled_tokens() const;
  const BlockPool& pool() const { return *pool_; }
  // Order wfq: what a flow got for its weight, in tokens as WaitingQueue counts them.
  double served(std::uint32_t flow) const { return waiting_.served(flow); }
  BlockPool& pool() { return *pool_; }

 private:
  enum class State : std::uint8_t { kFree, kWaiting, kLoading, kPrefill, kDecode, kAside };
  struct Job {
    std::uint64_t tag = 0;
    PathId path = kNoPath;
    ChainId chain = -1;
    State state = State::kFree;
    bool preempted = false;  // waiting again after having run
    bool eager = false;
    bool holding = false;  // waiting, with what was loaded in its blocks
    bool hand_over = false, arriving = false, answered = false;
    WaitingQueue::Key key;
    std::int64_t prompt = 0;
    std::int64_t target = 0;    // tokens at which it ends
    std::int64_t reserve = 0;   // tokens that admission may reserve for
    std::int64_t known = 0;     // prompt and answer so far; stale while in the group
    std::int64_t computed = 0;  // of those; while in the group: when it joined
    std::int64_t blocks = 0;    // held; stale while in the group, where ceil(computed / block) are
    std::int64_t swapped_tokens = 0;          // KV on the host
    std::int64_t found = 0, found_lossy = 0;  // when its load began
    std::int64_t lost = 0;                    // tokens computed when it was preempted
    std::int64_t charged = 0;                 // tokens answered that its flow was charged for
    std::size_t partition = 0;
    std::uint64_t sequence = 0;              // order of admission
    JobId next = kNoJob, previous = kNoJob;  // in the running list
    // Of a method that compresses: the path of its own tokens; and, where `path` begins with a
    // compressed cache instead, by how many tokens that is shorter, and the prompts in it.
    const CompressionRule* compression = nullptr;
    PathId plain = kNoPath;
    std::int64_t shift = 0;
    std::vector<std::int64_t> compressed = {};
    bool compresses = false;  // at the end of its prompt
    bool lossy = false;
  };
  std::int64_t full_blocks(ChainId chain) const override;
  void grow_eagerly(ChainId chain) override;

  std::int64_t blocks_for(std::int64_t tokens) const {
    return (tokens + knobs_.block_tokens - 1) / knobs_.block_tokens;
  }
  // Tokens computed, the step in flight included.
  std::int64_t computed_of(JobId job) const {
    return grouped_ && jobs_[job].state == State::kDecode ? group_.computed(job)
                                                          : jobs_[job].computed;
  }
  std::int64_t blocks_of(JobId job) const;

  // Compressed caches.
  struct Compressed {
    ContentId content;
    std::int64_t tokens = 0, kept = 0;  // of the prompts; of the cache that stands for them
    std::vector<std::int64_t> prompts;
  };
  static bool will_compress(const Job& job) { return job.compresses; }
  std::int64_t prefill_blocks(const Job& job, std::int64_t computed) const;
  void exchange_path(JobId id, PathId path, std::int64_t shift);
  void stand_for(JobId id, const Compressed& compressed);
  void expand(JobId id);
  void adopt(JobId id, TimePoint now);
  void find_compressed(JobId id, TimePoint now);
  void compress(JobId id, TimePoint now);

  // The running list.
  void append_running(JobId job);
  void remove_running(JobId job);

  // Decoding and its cache.
  void join_group(JobId job);
  bool answers_are_cached() const;
  void start_growing(JobId job, TimePoint now);
  void settle_eager(TimePoint now);

  // Planning.
  bool plan_all(TimePoint now);
  std::int64_t wanted(const Job& job) const;  // tokens a prefill takes if the budget allows
  bool plan_running_together(std::int64_t& budget, bool prefill, bool decode, TimePoint now);
  void plan_running_one_by_one(std::int64_t& budget, bool prefill, bool decode, TimePoint now);
  void withdraw(JobId job, std::int64_t tokens);
  void plan_waiting(std::int64_t& budget, TimePoint now);
  bool fair() const { return knobs_.order == EngineKnobs::Order::kFair; }
  void charge_answer(JobId job);
  bool admit(JobId job, std::int64_t& budget, TimePoint now);
  bool within_limits(const Job& job) const;
  // Blocks it holds from admission on, where it takes none later.
  std::int64_t reserved_blocks_of(const Job& job) const { return blocks_for(job.reserve); }
  std::int64_t need(std::int64_t tokens) const;
  std::int64_t need(const Job& job, std::int64_t tokens) const;
  std::int64_t spare_blocks() const;
  bool prompt_fits(const Job& job) const;
  void reserve(Job& job, TimePoint now);
  void begin_load(JobId job, std::int64_t found, std::int64_t upto, TimePoint now);
  void load_now(JobId job, std::int64_t found, TimePoint now);
  bool abandon_load(TimePoint now);
  void release_loaded(JobId job, TimePoint now);
  void schedule_prefill(JobId job, std::int64_t fresh, TimePoint now);
  void register_computed(const Job& job, TimePoint now, bool lossy = false);
  void take(std::int64_t blocks, TimePoint now);
  double reserved_blocks() const;
  JobId victim() const;
  void preempt(JobId job, TimePoint now);
  void release(JobId job, std::int64_t blocks, TimePoint now);
  void set_aside(JobId job, TimePoint now);
  void remove(JobId job, TimePoint now);
  void plan_repeats();
  void watch_preemptions();
  std::uint64_t fingerprint() const;

  EngineKnobs knobs_;
  std::int64_t max_model_len_;
  std::vector<std::int64_t> windows_;
  std::unique_ptr<TokenPaths> own_paths_;
  TokenPaths& paths_;
  std::unique_ptr<BlockPool> pool_;
  KvSource* source_ = nullptr;
  // With limits: per partition, the blocks its admitted requests may come to hold.
  std::vector<PartitionLimit> limits_;
  std::vector<std::int64_t> committed_;
  bool limited() const { return !limits_.empty(); }

  std::vector<Job> jobs_;
  std::vector<JobId> unused_;
  std::vector<JobId> job_of_chain_;
  WaitingQueue waiting_;
  JobId first_running_ = kNoJob, last_running_ = kNoJob;
  std::int64_t num_running_ = 0;
  std::int64_t num_loading_ = 0, num_aside_ = 0;
  std::vector<JobId> holding_;  // in the order in which they were loaded
  std::uint64_t next_sequence_ = 0;
  std::vector<JobId> prefilling_;  // running, prompt not all computed, in the order of admission

  DecodeGroup group_;
  bool grouped_ = true;  // false while a step is decided member by member
  std::vector<JobId> eager_;
  boost::unordered_flat_map<std::uint64_t, Compressed> compressed_;  // by hash of salt and prompts

  // Sums over jobs that run, load or have loaded: blocks held, shared ones counted by each, and
  // what admission may reserve.
  std::int64_t held_blocks_ = 0, reserve_blocks_ = 0;

  // Cadence of prefill (knob prefill_interval): steps executed, the last with prefill, and whether
  // requests were left waiting for want of room.
  std::int64_t executed_ = 0, last_prefill_ = 0;
  bool bound_ = false;

  // Steps that preempted since anybody got a token, came, went or was loaded, the last two that
  // were preempted, and a state kept to be compared with, from the step of number `kept`.
  struct Vain {
    std::int64_t steps = 0, kept = 0, repeats = 0;
    JobId last = kNoJob, before = kNoJob;
    std::uint64_t jobs = 0, pool = 0;
  };
  Vain vain_;
  void progressed() {
    if (vain_.steps > 0) vain_ = Vain{};
  }

  // The planned step.
  Step step_;
  bool planned_ = false;
  bool together_ = true;          // every running job advances as it wants
  bool group_in_flight_ = false;  // the group takes part and counts it as taken
  std::int64_t linear_ = 0;       // for how many steps the windowed context grows evenly
  bool deferring_ = false;        // no prefill in it
  bool prefill_scheduled_ = false;
  bool withdrawn_ = false;
  std::int64_t threshold_ = 0;
  std::int64_t repeats_ = 0;
  std::vector<JobId> ending_;
  BlockPool::Match match_;
};

}  // namespace scsim::sim
