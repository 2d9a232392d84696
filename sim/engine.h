// One engine under the clock: its scheduler decides steps, its cost model says how long they take.
//
// A planned step that repeats with nothing to decide is one *segment*. The end of its k-th step is
// its start plus the rounded closed-form cost of k steps, so a segment of a thousand decode steps
// is one event; an arrival or a cancellation cuts it at the end of the step under way.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "cost_models/step_cost.h"
#include "sim/gap_tracker.h"
#include "sim/scheduler.h"
#include "sim/timeline.h"
#include "traces/result.h"

namespace scsim::sim {

struct EngineSettings {
  std::string pool, model, role = {};  // as in EngineResult
  EngineKnobs knobs;
  std::int64_t num_blocks = 0;  // usable
  std::int64_t max_model_len = 0;
  double cache_bytes_per_token = 0;  // of all its GPUs together
  double host_bytes_per_second = 0;  // of all its GPUs together, per direction
  double peak_hbm_bytes_per_second = 0, peak_flops_per_second = 0;
  int gpus = 1;
  double price_per_gpu_hour = 0;
  Watts watts;
  const cost_models::StepCostModel* cost_model = nullptr;
  std::vector<PartitionLimit> limits;  // of tenants, in blocks
};

class Engine {
 public:
  // What an engine tells of its requests; `tag` is JobSpec::tag. All at the ends of steps but
  // `admitted`, `preempted` and `loading`, which happen when a step is decided, or found to be
  // nothing but loads.
  struct Listener {
    virtual ~Listener() = default;
    virtual void admitted(std::uint64_t tag, const Step::Admitted& how) = 0;
    virtual void preempted(std::uint64_t tag) = 0;
    // Its KV is to be loaded now; Engine::loaded() is called when that is done.
    virtual void loading(std::uint64_t tag, const Step::Load& load) = 0;
    // It computes a part of a prompt for another engine (JobSpec::hand_over), in a step that ends
    // at `end`; when a step is decided.
    virtual void prefilling(std::uint64_t /*tag*/, const Step::Prefill&, TimePoint /*end*/) {}
    // Of such a job also the end, but for what it holds.
    virtual void first_token(std::uint64_t tag) = 0;
    virtual void finished(std::uint64_t tag, std::int64_t produced) = 0;
  };

  Engine(const EngineSettings& settings, GapBook& gaps, std::size_t timeline_bins,
         TokenPaths* paths = nullptr);

  const EngineSettings& settings() const { return settings_; }
  const Scheduler& scheduler() const { return scheduler_; }
  Scheduler& scheduler() { return scheduler_; }
  // Prompt tokens of requests that wait or are being prefilled.
  std::int64_t pending_tokens() const { return pending_tokens_; }
  bool in_step() const { return in_step_; }
  // Seconds so far by stage; up to the end of the last completed step.
  const PerStage<std::int64_t>& ledger() const { return ledger_; }

  // `tenant` and `turn` say where its gaps are counted.
  JobId submit(const JobSpec& spec, std::uint32_t tenant, std::uint32_t turn, TimePoint now);
  // The request has its first `tokens` tokens. REQUIRES: it is loading; !in_step().
  void loaded(JobId job, std::int64_t tokens, bool lossy, TimePoint now);
  // When the client got the token of the answer that came with the prompt: its next gap begins.
  void set_last_token(JobId job, TimePoint when) { jobs_[job].last_token = when; }
  // Ends the request between steps. REQUIRES: !in_step().
  void cancel(JobId job, TimePoint now);

  // Its prefix cache is lost; gives the tokens that could be found there. REQUIRES: !in_step(), no
  // requests.
  std::int64_t lose_cache(TimePoint now);

  // Decides the next segment; gives its end, or nothing when there is nothing to do.
  std::optional<TimePoint> start(TimePoint now, Listener& listener);
  // Cuts the segment under way at the end of the step in which `now` lies; gives its new end if
  // that is earlier than before. REQUIRES: in_step().
  std::optional<TimePoint> cut(TimePoint now);
  // The segment has ended at `now`.
  void complete(TimePoint now, Listener& listener);

  // Of its steps and their time, what lies outside of what a measured cost model was sampled at.
  std::int64_t steps() const { return totals_.steps; }
  std::int64_t extrapolated_steps() const { return extrapolated_steps_; }
  double extrapolated_seconds() const { return extrapolated_seconds_; }

  Duration timeline_width() const { return timeline_.width(); }
  // What it did, at the end of the run; adds its blocks' lifetimes.
  EngineResult end_of_run(TimePoint end, Duration timeline_width, LifetimeHistogram& lifetimes);

 private:
  struct JobInfo {
    std::uint32_t tenant = 0, turn = 0;  // groups of the gap book
    std::int64_t prompt = 0;
    bool decoding = false;  // the gap tracker knows it
    bool answered = false;  // has produced a token
    bool hand_over = false;
    TimePoint last_token;  // while not decoding
    const MethodModel* method = nullptr;
  };
  class Completion;  // Scheduler::Listener

  const cost_models::StepCost& cost_of(const Step& step);
  void price_segment(const Step& step, std::int64_t swapped, double blocked);
  double segment_seconds(std::int64_t steps) const;
  double step_seconds(std::int64_t step) const;  // of the segment's step, from 0
  TimePoint segment_end(std::int64_t steps) const;
  void advance_timeline(TimePoint now);
  void account(std::int64_t steps, TimePoint now);
  void count_extrapolated(std::int64_t steps);
  void leave_gaps(JobId job);
  // Tokens that the planned step's decodes read.
  std::int64_t decode_context() const;

  EngineSettings settings_;
  Scheduler scheduler_;
  GapBook& book_;
  GapTracker gaps_;
  Timeline<5> timeline_;
  std::vector<JobInfo> jobs_;
  std::vector<std::optional<cost_models::StepCost>> decode_cost_;  // by number of sequences
  cost_models::StepCost mixed_cost_;

  // The segment under way: step i costs base + i * growth seconds, per stage and in all.
  bool in_step_ = false;
  TimePoint start_;
  std::int64_t steps_ = 0;
  const cost_models::StepCost* cost_ = nullptr;
  PerStage<double> base_{}, growth_{};
  double base_total_ = 0, growth_total_ = 0;
  std::vector<JobId> stalled_;  // decoding, but no token in this step

  std::int64_t pending_tokens_ = 0;
  std::int64_t extrapolated_steps_ = 0;
  double extrapolated_seconds_ = 0;
  PerStage<std::int64_t> ledger_{};
  EngineResult totals_;
};

}  // namespace scsim::sim
