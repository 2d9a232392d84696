#include "sim/engine.h"

#include <algorithm>

#include "sim/method_model.h"

namespace scsim::sim {
namespace {

using cost_models::StepCost;
using cost_models::StepShape;

}  // namespace

// Carries what the scheduler says at the end of a step to the engine's listener.
class Engine::Completion final : public Scheduler::Listener {
 public:
  Completion(Engine& engine, TimePoint now, Engine::Listener& listener)
      : engine_(engine), now_(now), listener_(listener) {}

  void first_token(JobId job) override {
    JobInfo& info = engine_.jobs_[job];
    if (info.hand_over) {  // the other engine will decode
      engine_.pending_tokens_ -= info.prompt;
      info.answered = true;
      listener_.first_token(engine_.scheduler_.tag(job));
      return;
    }
    if (info.answered) {  // again, after a preemption: one long gap
      const std::int64_t gap = (now_ - info.last_token).ns();
      add_gap(engine_.book_.by_tenant[info.tenant], gap);
      add_gap(engine_.book_.by_turn[info.turn], gap);
    } else {
      engine_.pending_tokens_ -= info.prompt;
    }
    info.answered = true;
    info.decoding = true;
    engine_.gaps_.join(job, info.tenant, info.turn, now_);
    listener_.first_token(engine_.scheduler_.tag(job));
  }

  void finished(JobId job) override {
    engine_.leave_gaps(job);
    listener_.finished(engine_.scheduler_.tag(job), engine_.scheduler_.produced(job));
  }

 private:
  Engine& engine_;
  TimePoint now_;
  Engine::Listener& listener_;
};

Engine::Engine(const EngineSettings& settings, GapBook& gaps, std::size_t timeline_bins,
               TokenPaths* paths)
    : settings_(settings),
      scheduler_(settings.knobs, settings.num_blocks, settings.max_model_len,
                 settings.cost_model->windows(), paths, settings.limits),
      book_(gaps),
      gaps_(gaps),
      timeline_(timeline_bins, Duration(100'000'000)) {
  totals_.pool = settings.pool;
  totals_.model = settings.model;
  totals_.role = settings.role;
  totals_.num_blocks = settings.num_blocks;
  totals_.block_tokens = settings.knobs.block_tokens;
  totals_.max_sequences = settings.knobs.max_sequences;
  totals_.peak_hbm_bytes_per_second = settings.peak_hbm_bytes_per_second;
  totals_.peak_flops_per_second = settings.peak_flops_per_second;
  totals_.gpus = settings.gpus;
  totals_.price_per_gpu_hour = settings.price_per_gpu_hour;
  totals_.watts = settings.watts;
}

JobId Engine::submit(const JobSpec& spec, std::uint32_t tenant, std::uint32_t turn, TimePoint now) {
  advance_timeline(now);
  const JobId job = scheduler_.add(spec);
  if (static_cast<std::size_t>(job) >= jobs_.size())
    jobs_.resize(static_cast<std::size_t>(job) + 1);
  JobInfo& info = jobs_[job];
  info = JobInfo{};
  info.tenant = tenant;
  info.turn = turn;
  info.method = spec.method;
  info.hand_over = spec.hand_over;
  info.answered = spec.answered > 0;
  info.last_token = now;
  info.prompt = !spec.arriving ? scheduler_.known_tokens(job) : info.answered ? 0 : 1;
  pending_tokens_ += info.prompt;
  return job;
}

void Engine::loaded(JobId job, std::int64_t tokens, bool lossy, TimePoint now) {
  SCSIM_CHECK(!in_step_);
  advance_timeline(now);
  scheduler_.loaded(job, tokens, lossy, now);
}

void Engine::cancel(JobId job, TimePoint now) {
  advance_timeline(now);
  leave_gaps(job);
  if (!jobs_[job].answered) pending_tokens_ -= jobs_[job].prompt;
  scheduler_.cancel(job, now);
}

std::int64_t Engine::lose_cache(TimePoint now) {
  SCSIM_CHECK(!in_step_);
  advance_timeline(now);
  const std::int64_t lost = scheduler_.pool().lose_all(now) * settings_.knobs.block_tokens;
  totals_.lost_tokens += lost;
  return lost;
}

void Engine::leave_gaps(JobId job) {
  JobInfo& info = jobs_[job];
  if (!info.decoding) return;
  info.last_token = gaps_.last_token(job);
  gaps_.leave(job);
  info.decoding = false;
}

std::int64_t Engine::decode_context() const {
  std::int64_t context = scheduler_.step().decode_context;
  for (const Step::Prefill& prefill : scheduler_.step().prefills)
    context += prefill.decodes ? prefill.cached + 1 : 0;
  return context;
}

const StepCost& Engine::cost_of(const Step& step) {
  const cost_models::StepCostModel& model = *settings_.cost_model;
  std::int64_t decodes = step.decodes, prefills = 0;
  for (const Step::Prefill& prefill : step.prefills) ++(prefill.decodes ? decodes : prefills);
  if (prefills == 0) {
    const std::size_t sequences = static_cast<std::size_t>(decodes);
    if (sequences >= decode_cost_.size()) decode_cost_.resize(sequences + 1);
    std::optional<StepCost>& cost = decode_cost_[sequences];
    if (!cost) {
      StepShape shape;
      shape.decode_sequences = shape.sampled_sequences = decodes;
      cost = model.step(shape);
    }
    return *cost;
  }
  StepShape shape;
  shape.decode_sequences = shape.sampled_sequences = decodes;
  shape.prefill_sequences = prefills;
  for (const Step::Prefill& prefill : step.prefills) {
    if (prefill.decodes) continue;
    shape.prefill_tokens += prefill.fresh;
    shape.sampled_sequences += prefill.last ? 1 : 0;
    const MethodModel* method = jobs_[prefill.job].method;
    shape.prefill_pairs += method == nullptr
                               ? cost_models::causal_pairs(prefill.cached, prefill.fresh, 0)
                               : method->prefill_pairs(prefill.cached, prefill.fresh);
    shape.prefill_cached_tokens += static_cast<double>(prefill.cached);
    for (std::size_t w = 0; w < model.windows().size(); ++w) {
      const std::int64_t window = model.windows()[w];
      shape.windowed_prefill_pairs[w] +=
          cost_models::causal_pairs(prefill.cached, prefill.fresh, window);
      shape.windowed_prefill_cached[w] += static_cast<double>(std::min(prefill.cached, window - 1));
    }
  }
  mixed_cost_ = model.step(shape);
  return mixed_cost_;
}

void Engine::price_segment(const Step& step, std::int64_t swapped, double blocked) {
  cost_ = &cost_of(step);
  const auto windowed_growth =
      steps_ > 1 ? scheduler_.windowed_growth() : std::array<std::int64_t, 2>{};
  const std::int64_t context = decode_context();
  std::array<std::int64_t, cost_models::kMaxWindows> windowed = step.windowed_context;
  for (const Step::Prefill& prefill : step.prefills) {
    for (std::size_t w = 0; w < settings_.cost_model->windows().size() && prefill.decodes; ++w)
      windowed[w] += std::min(prefill.cached + 1, settings_.cost_model->windows()[w]);
  }
  base_total_ = growth_total_ = 0;
  for (std::size_t s = 0; s < kNumStages; ++s) {
    base_[s] = cost_->fixed[s] + cost_->per_context_token[s] * static_cast<double>(context);
    growth_[s] = cost_->per_context_token[s] * static_cast<double>(step.decodes);
    for (std::size_t w = 0; w < cost_models::kMaxWindows; ++w) {
      base_[s] += cost_->per_windowed_token[w][s] * static_cast<double>(windowed[w]);
      growth_[s] += cost_->per_windowed_token[w][s] * static_cast<double>(windowed_growth[w]);
    }
  }
  base_[static_cast<std::size_t>(Stage::kRetrieval)] += blocked;
  if (swapped > 0) {
    base_[static_cast<std::size_t>(Stage::kRetrieval)] += static_cast<double>(swapped) *
                                                          settings_.cache_bytes_per_token /
                                                          settings_.host_bytes_per_second;
  }
  for (const Step::Prefill& prefill : step.prefills) {
    if (prefill.compressed == 0) continue;
    base_[static_cast<std::size_t>(Stage::kCompression)] +=
        jobs_[prefill.job].method->compression_seconds(prefill.compressed);
  }
  for (std::size_t s = 0; s < kNumStages; ++s) {
    base_total_ += base_[s];
    growth_total_ += growth_[s];
  }
}

double Engine::segment_seconds(std::int64_t steps) const {
  const double k = static_cast<double>(steps);
  return k * base_total_ + growth_total_ * (k * (k - 1) * 0.5);
}

double Engine::step_seconds(std::int64_t step) const {
  return base_total_ + growth_total_ * static_cast<double>(step);
}

TimePoint Engine::segment_end(std::int64_t steps) const {
  return start_ + to_duration(Seconds(segment_seconds(steps)));
}

std::optional<TimePoint> Engine::start(TimePoint now, Listener& listener) {
  SCSIM_CHECK(!in_step_);
  advance_timeline(now);
  bool any = false;
  std::int64_t swapped = 0;
  do {  // a step that only preempted takes no time of its own
    any = scheduler_.plan(now);
    const Step& step = scheduler_.step();
    swapped += step.swapped_in + step.swapped_out;
    for (const JobId job : step.preempted) {
      leave_gaps(job);
      ++totals_.preemptions;
      listener.preempted(scheduler_.tag(job));
    }
    for (const Step::Load& load : step.loads) listener.loading(scheduler_.tag(load.job), load);
    totals_.abandoned_loads += static_cast<std::int64_t>(step.abandoned.size());
  } while (!any && !scheduler_.step().preempted.empty());
  if (!any) {
    SCSIM_CHECK_EQ(scheduler_.running(), 0);
    // What could never run was refused; what cannot run now waits for blocks of those that load, or
    // of those that another engine reads.
    if (scheduler_.loading() + scheduler_.aside() == 0) SCSIM_CHECK_EQ(scheduler_.waiting(), 0);
    return std::nullopt;
  }
  const Step& step = scheduler_.step();
  for (const Step::Admitted& admitted : step.admitted) {
    listener.admitted(scheduler_.tag(admitted.job), admitted);
  }
  if (step.decodes > 0) {
    for (const JobId job : step.idle) {
      if (!scheduler_.decoding(job)) continue;
      leave_gaps(job);
      stalled_.push_back(job);
    }
  }
  totals_.peak_used_blocks = std::max(totals_.peak_used_blocks, scheduler_.pool().used_blocks());
  start_ = now;
  const double blocked = scheduler_.take_blocked_seconds();
  steps_ = blocked > 0 ? 1 : scheduler_.repeats();
  price_segment(step, swapped, blocked);
  in_step_ = true;
  for (const Step::Prefill& prefill : step.prefills) {
    if (jobs_[prefill.job].hand_over)
      listener.prefilling(scheduler_.tag(prefill.job), prefill, segment_end(1));
  }
  return segment_end(steps_);
}

std::optional<TimePoint> Engine::cut(TimePoint now) {
  SCSIM_CHECK(in_step_);
  std::int64_t low = 1, high = steps_;  // the first step that ends at `now` or later
  while (low < high) {
    const std::int64_t middle = (low + high) / 2;
    if (segment_end(middle) >= now) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  if (low == steps_) return std::nullopt;
  steps_ = low;
  return segment_end(steps_);
}

void Engine::account(std::int64_t steps, TimePoint now) {
  const double k = static_cast<double>(steps);
  const double pairs = k * (k - 1) * 0.5;
  const Step& step = scheduler_.step();
  std::int64_t left = (now - start_).ns();
  std::size_t largest = 0;
  for (std::size_t s = 0; s < kNumStages; ++s) {
    const double seconds = k * base_[s] + growth_[s] * pairs;
    const std::int64_t ns = static_cast<std::int64_t>(seconds * 1e9 + 0.5);
    ledger_[s] += ns;
    left -= ns;
    if (base_[s] > base_[largest]) largest = s;
  }
  ledger_[largest] += left;  // what rounding left over (INV-LEDGER)

  totals_.steps += steps;
  totals_.decode_tokens += steps * step.decodes;
  for (const Step::Prefill& prefill : step.prefills)
    (prefill.decodes ? totals_.decode_tokens : totals_.prefill_tokens) += prefill.fresh;
  const double context =
      k * static_cast<double>(decode_context()) + pairs * static_cast<double>(step.decodes);
  totals_.hbm_bytes += k * cost_->hbm_bytes + context * cost_->hbm_bytes_per_context_token;
  totals_.flops += k * cost_->flops + context * cost_->flops_per_context_token;
  totals_.link_bytes += k * cost_->link_bytes;
  for (std::size_t w = 0; w < cost_models::kMaxWindows; ++w) {
    double windowed = k * static_cast<double>(step.windowed_context[w]);
    if (steps > 1) windowed += pairs * static_cast<double>(scheduler_.windowed_growth()[w]);
    totals_.hbm_bytes += windowed * cost_->hbm_bytes_per_windowed_token[w];
    totals_.flops += windowed * cost_->flops_per_windowed_token[w];
  }
}

// The context of a segment's steps only grows, so those outside are its last ones.
void Engine::count_extrapolated(std::int64_t steps) {
  const Step& step = scheduler_.step();
  std::int64_t inside = cost_->extrapolated ? 0 : steps;
  const double room = cost_->most_context - static_cast<double>(decode_context());
  if (room < static_cast<double>(inside * step.decodes))
    inside = room < 0 ? 0 : 1 + static_cast<std::int64_t>(room / static_cast<double>(step.decodes));
  inside = std::min(inside, steps);
  extrapolated_steps_ += steps - inside;
  if (inside < steps) extrapolated_seconds_ += segment_seconds(steps) - segment_seconds(inside);
}

void Engine::complete(TimePoint now, Listener& listener) {
  SCSIM_CHECK(in_step_);
  SCSIM_CHECK_EQ(now, segment_end(steps_));
  advance_timeline(now);
  account(steps_, now);
  count_extrapolated(steps_);
  if (scheduler_.step().decodes > 0) {
    gaps_.steps(steps_, segment_end(1), step_seconds(1), step_seconds(steps_ - 1), now);
  }
  for (const JobId job : stalled_) {
    gaps_.join(job, jobs_[job].tenant, jobs_[job].turn, jobs_[job].last_token);
    jobs_[job].decoding = true;
  }
  stalled_.clear();
  in_step_ = false;
  Completion completion(*this, now, listener);
  scheduler_.complete(steps_, now, completion);
}

void Engine::advance_timeline(TimePoint now) {
  const double blocks = static_cast<double>(settings_.num_blocks);
  timeline_.advance(
      now, {static_cast<double>(scheduler_.running()),
            static_cast<double>(scheduler_.waiting() + scheduler_.loading()),
            static_cast<double>(scheduler_.pool().used_blocks()) / blocks,
            static_cast<double>(scheduler_.pool().cached_blocks()) / blocks, in_step_ ? 1.0 : 0.0});
}

EngineResult Engine::end_of_run(TimePoint end, Duration timeline_width,
                                LifetimeHistogram& lifetimes) {
  SCSIM_CHECK(!in_step_);
  advance_timeline(end);
  timeline_.widen(timeline_width);
  scheduler_.pool().end_of_run(end);
  const LifetimeHistogram& ours = scheduler_.pool().lifetimes();
  for (std::size_t why = 0; why < ours.count.size(); ++why) {
    for (std::size_t bin = 0; bin < LifetimeHistogram::kBins; ++bin) {
      lifetimes.count[why][bin] += ours.count[why][bin];
    }
    lifetimes.sum_seconds[why] += ours.sum_seconds[why];
  }
  EngineResult result = totals_;
  result.evicted_blocks = scheduler_.pool().evicted_blocks();
  result.stage_ns = ledger_;
  result.idle_ns = end.ns();
  for (const std::int64_t ns : ledger_) result.idle_ns -= ns;
  SCSIM_CHECK_GE(result.idle_ns, 0);  // INV-LEDGER
  result.timeline.running = timeline_.means(0, end);
  result.timeline.waiting = timeline_.means(1, end);
  result.timeline.used_blocks = timeline_.means(2, end);
  result.timeline.cached_blocks = timeline_.means(3, end);
  result.timeline.busy = timeline_.means(4, end);
  return result;
}

}  // namespace scsim::sim
