#include "tests/sim/scheduler_run.h"

#include <algorithm>
#include <catch2/catch.hpp>

namespace scsim::test {

using namespace sim;

std::string describe(const StepRecord& record) {
  std::string text = "decodes " + std::to_string(record.decodes) + " context " +
                     std::to_string(record.decode_context) + " windowed " +
                     std::to_string(record.windowed_context[0]) + " " +
                     std::to_string(record.windowed_context[1]) + " swapped " +
                     std::to_string(record.swapped_out) + " " + std::to_string(record.swapped_in) +
                     " free " + std::to_string(record.free_blocks) + " prefills";
  for (const auto& [tag, cached, fresh, last] : record.prefills) {
    text += " " + std::to_string(tag) + ":" + std::to_string(cached) + "+" + std::to_string(fresh) +
            (last ? "!" : "");
  }
  text += " admitted";
  for (const StepRecord::Admitted& admitted : record.admitted) {
    text += " " + std::to_string(admitted.tag) + ":" + std::to_string(admitted.found) + "(" +
            std::to_string(admitted.found_lossy) + ")+" + std::to_string(admitted.loaded) +
            (admitted.resumed ? "r" : "");
  }
  text += " loads";
  for (const auto& [tag, found, found_lossy, upto] : record.loads) {
    text += " " + std::to_string(tag) + ":" + std::to_string(found) + "(" +
            std::to_string(found_lossy) + ")-" + std::to_string(upto);
  }
  for (const auto& [name, tags] :
       {std::pair{" preempted", &record.preempted}, std::pair{" abandoned", &record.abandoned},
        std::pair{" first", &record.first_tokens}, std::pair{" finished", &record.finished}}) {
    text += name;
    for (const std::uint64_t tag : *tags) text += " " + std::to_string(tag);
  }
  return text;
}

namespace {

// Loads under way: what was found of whom, and when how much of it is there.
class Loads {
 public:
  struct Load {
    std::size_t place;
    std::int64_t due, tokens;
    bool lossy;
  };

  explicit Loads(const RandomScheduling& scheduling) : scheduling_(scheduling) {}

  std::int64_t loadable(std::size_t place, std::int64_t found, std::int64_t most) {
    return std::max(found, std::min(most, scheduling_.load(place, times_[place]).stored));
  }
  void begin(std::size_t place, std::int64_t found, std::int64_t upto, std::int64_t step) {
    const RandomLoad load = scheduling_.load(place, times_[place]++);
    const auto delivered =
        static_cast<std::int64_t>(load.delivered * static_cast<double>(upto - found));
    under_way_.push_back({place, step + 1 + load.delay, found + delivered, load.lossy});
  }
  void cancel(std::size_t place) {
    std::erase_if(under_way_, [&](const Load& load) { return load.place == place; });
  }
  std::vector<Load> due(std::int64_t step) {
    std::vector<Load> due;
    for (const Load& load : under_way_)
      if (load.due <= step) due.push_back(load);
    std::erase_if(under_way_, [&](const Load& load) { return load.due <= step; });
    return due;
  }
  std::int64_t next() const {
    std::int64_t next = kMostSteps;
    for (const Load& load : under_way_) next = std::min(next, load.due);
    return next;
  }

 private:
  const RandomScheduling& scheduling_;
  std::map<std::size_t, std::uint64_t> times_;
  std::vector<Load> under_way_;
};

class Run final : private Scheduler::Listener, private KvSource {
 public:
  Run(const RandomScheduling& scheduling, bool many_at_once)
      : scheduling_(scheduling),
        many_at_once_(many_at_once),
        scheduler_(scheduling.knobs, scheduling.num_blocks, scheduling.max_model_len,
                   scheduling.windows),
        loads_(scheduling) {
    if (scheduling.stored > 0) scheduler_.set_source(this);
  }

  SchedulerRun run() {
    std::int64_t step = 0;
    while (step < kMostSteps) {
      add_until(step);
      cancel_due(step);
      for (const Loads::Load& load : loads_.due(step)) {
        scheduler_.loaded(job_of_.at(load.place), load.tokens, load.lossy, TimePoint(step));
        scheduler_.pool().check_everything();
      }
      const bool any = scheduler_.plan(TimePoint(step));
      for (const Step::Load& load : scheduler_.step().loads)
        loads_.begin(scheduler_.tag(load.job), load.found, load.upto, step);
      const std::int64_t count =
          any && many_at_once_ ? std::min(scheduler_.repeats(), next_event(step) - step) : 1;
      record_plan(step, count);
      if (!any) {
        scheduler_.pool().check_everything();
        if (records_.contains(step)) records_[step].free_blocks = scheduler_.pool().free_blocks();
        if (scheduler_.step().preempted.empty()) {
          // An engine that can do nothing has nothing to do but for what waits for those that load.
          REQUIRE(scheduler_.running() == 0);
          if (scheduler_.loading() == 0) {
            REQUIRE(scheduler_.waiting() == 0);
            if (next_ == scheduling_.requests.size()) break;
          }
        }
        ++step;
        continue;
      }
      if (!many_at_once_) check_step();
      add_until(step + count - 1);
      current_ = &records_[step + count - 1];
      scheduler_.complete(count, TimePoint(step + count), *this);
      current_->free_blocks = scheduler_.pool().free_blocks();
      scheduler_.pool().check_everything();
      step += count;
    }
    run_.steps = std::move(records_);
    run_.ended = step < kMostSteps;
    if (!run_.ended) return std::move(run_);
    // INV-CONSERVE: all blocks came back, every request ended as long as it was to be.
    REQUIRE(scheduler_.pool().free_blocks() == scheduling_.num_blocks);
    REQUIRE(ended_ == scheduling_.requests.size());
    return std::move(run_);
  }

 private:
  std::int64_t loadable(JobId job, std::int64_t found, std::int64_t most, TimePoint) override {
    if (!many_at_once_) REQUIRE(most == known_.at(job) - 1);
    return loads_.loadable(scheduler_.tag(job), found, most);
  }

  void add_until(std::int64_t step) {
    for (; next_ < scheduling_.requests.size(); ++next_) {
      const RandomRequest& request = scheduling_.requests[next_];
      if (request.arrival_step > step) return;
      const JobId job = scheduler_.add(job_spec(request, next_));
      job_of_[next_] = job;
      known_[job] = request.prompt_tokens;
    }
  }

  void cancel_due(std::int64_t step) {
    for (std::size_t place = 0; place < next_; ++place) {
      const RandomRequest& request = scheduling_.requests[place];
      if (request.cancel_step != step || !job_of_.contains(place)) continue;
      scheduler_.cancel(job_of_[place], TimePoint(step));
      scheduler_.pool().check_everything();
      loads_.cancel(place);
      job_of_.erase(place);
      ++ended_;
    }
  }

  // When the run of steps begun at `step` has to be interrupted. An arrival behind others that
  // wait, first come first served, changes nothing (the simulator relies on that).
  std::int64_t next_event(std::int64_t step) const {
    std::int64_t next = loads_.next();
    const bool behind =
        scheduling_.knobs.order == EngineKnobs::Order::kFirstCome && scheduler_.waiting() > 0;
    for (const RandomRequest& request : scheduling_.requests) {
      if (request.arrival_step > step && !behind) next = std::min(next, request.arrival_step);
      if (request.cancel_step > step) next = std::min(next, *request.cancel_step);
    }
    return next;
  }

  void record_plan(std::int64_t first, std::int64_t count) {
    const Step& step = scheduler_.step();
    StepRecord planned;
    for (const Step::Admitted& admitted : step.admitted) {
      planned.admitted.push_back({scheduler_.tag(admitted.job), admitted.found,
                                  admitted.found_lossy, admitted.loaded, admitted.resumed});
    }
    for (const Step::Load& load : step.loads) {
      planned.loads.emplace_back(scheduler_.tag(load.job), load.found, load.found_lossy, load.upto);
    }
    for (const JobId job : step.preempted) planned.preempted.push_back(scheduler_.tag(job));
    for (const JobId job : step.abandoned) planned.abandoned.push_back(scheduler_.tag(job));
    run_.preemptions += static_cast<std::int64_t>(step.preempted.size());
    run_.loads += static_cast<std::int64_t>(step.loads.size());
    run_.abandoned += static_cast<std::int64_t>(step.abandoned.size());
    for (const Step::Prefill& prefill : step.prefills) {
      planned.prefills.emplace_back(scheduler_.tag(prefill.job), prefill.cached, prefill.fresh,
                                    prefill.last);
    }
    planned.swapped_in = step.swapped_in;
    planned.swapped_out = step.swapped_out;
    if (planned == StepRecord{} && step.empty()) return;
    if (count > 1) REQUIRE(step.prefills.empty());
    for (std::int64_t i = 0; i < count; ++i) {
      StepRecord& record = records_[first + i];
      if (i == 0) record = planned;
      record.decodes = step.decodes;
      record.decode_context = step.decode_context + i * step.decodes;
      record.windowed_context = step.windowed_context;
      for (std::size_t w = 0; w < record.windowed_context.size() && i > 0; ++w)
        record.windowed_context[w] += i * scheduler_.windowed_growth()[w];
    }
  }

  // The step's sums, request by request, and the limits that the knobs set.
  void check_step() {
    const Step& step = scheduler_.step();
    const EngineKnobs& knobs = scheduling_.knobs;
    std::int64_t decodes = 0, context = 0, tokens = 0;
    std::array<std::int64_t, 2> windowed{};
    std::map<JobId, const Step::Prefill*> prefills;
    for (const Step::Prefill& prefill : step.prefills) {
      prefills[prefill.job] = &prefill;
      const std::int64_t known = known_[prefill.job];
      REQUIRE(prefill.fresh > 0);
      REQUIRE(prefill.cached + prefill.fresh <= known);
      REQUIRE(prefill.last == (prefill.cached + prefill.fresh == known));
      if (knobs.long_prefill_threshold > 0 && scheduler_.running() + scheduler_.waiting() > 1)
        REQUIRE(prefill.fresh <= knobs.long_prefill_threshold);
    }
    for (const auto& [job, count] : scheduler_.scheduled_tokens()) {
      tokens += count;
      if (prefills.contains(job)) continue;
      REQUIRE(count == 1);
      ++decodes;
      // All it knows is computed or is computed now, and read.
      context += known_[job];
      for (std::size_t w = 0; w < scheduling_.windows.size(); ++w)
        windowed[w] += std::min(known_[job], scheduling_.windows[w]);
      ++known_[job];
    }
    REQUIRE(step.decodes == decodes);
    REQUIRE(step.decode_context == context);
    REQUIRE(step.windowed_context == windowed);
    if (knobs.chunked_prefill) REQUIRE(tokens <= knobs.max_batched_tokens);
    REQUIRE(scheduler_.running() <= knobs.max_sequences);
    if (knobs.batching == EngineKnobs::Batching::kPrefillFirst)
      REQUIRE((step.prefills.empty() || step.decodes == 0));
    if (knobs.preemption == EngineKnobs::Preemption::kRecompute) {
      REQUIRE(step.swapped_out == 0);
      REQUIRE(step.swapped_in == 0);
    }
  }

  void first_token(JobId job) override {
    current_->first_tokens.push_back(scheduler_.tag(job));
    ++known_[job];
  }
  void finished(JobId job) override {
    const std::uint64_t place = scheduler_.tag(job);
    current_->finished.push_back(place);
    const RandomRequest& request = scheduling_.requests[place];
    REQUIRE(scheduler_.produced(job) ==
            std::min(request.answer_tokens(), scheduling_.max_model_len - request.prompt_tokens));
    job_of_.erase(place);
    ++ended_;
  }

  const RandomScheduling& scheduling_;
  bool many_at_once_;
  Scheduler scheduler_;
  std::size_t next_ = 0, ended_ = 0;
  std::map<std::size_t, JobId> job_of_;
  std::map<JobId, std::int64_t> known_;  // prompt and answer so far, counted here
  Loads loads_;
  Steps records_;
  StepRecord* current_ = nullptr;
  SchedulerRun run_;
};

class OracleRun {
 public:
  explicit OracleRun(const RandomScheduling& scheduling)
      : scheduling_(scheduling),
        loads_(scheduling),
        oracle_(scheduling.knobs, scheduling.num_blocks, scheduling.max_model_len, loadable()) {}

  SchedulerRun run() {
    std::size_t next = 0;
    for (std::int64_t step = 0; step < kMostSteps; ++step) {
      for (; next < scheduling_.requests.size() && scheduling_.requests[next].arrival_step <= step;
           ++next)
        oracle_.add(oracle_spec(scheduling_.requests[next], next));
      for (std::size_t place = 0; place < next; ++place)
        if (scheduling_.requests[place].cancel_step == step) {
          oracle_.cancel(place);
          loads_.cancel(place);
        }
      for (const Loads::Load& load : loads_.due(step))
        oracle_.loaded(load.place, load.tokens, load.lossy);
      const auto planned = oracle_.plan();
      for (const auto& load : planned.loads) loads_.begin(load.tag, load.found, load.upto, step);
      record(step, planned);
      run_.ended = oracle_.waiting() + oracle_.running() + oracle_.loading() == 0 &&
                   next == scheduling_.requests.size();
      if (run_.ended) break;
    }
    return std::move(run_);
  }

 private:
  oracle::SchedulerOracle::Loadable loadable() {
    if (scheduling_.stored == 0) return {};
    return [this](std::uint64_t tag, std::int64_t found, std::int64_t most) {
      return loads_.loadable(tag, found, most);
    };
  }

  void record(std::int64_t number, const oracle::SchedulerOracle::Step& planned) {
    if (planned.computed.empty() && planned.preempted.empty() && planned.loads.empty() &&
        planned.abandoned.empty())
      return;
    StepRecord& record = run_.steps[number];
    for (const auto& admitted : planned.admitted) {
      record.admitted.push_back(
          {admitted.tag, admitted.found, admitted.found_lossy, admitted.loaded, admitted.resumed});
    }
    for (const auto& load : planned.loads)
      record.loads.emplace_back(load.tag, load.found, load.found_lossy, load.upto);
    record.preempted = planned.preempted;
    record.abandoned = planned.abandoned;
    run_.preemptions += static_cast<std::int64_t>(planned.preempted.size());
    run_.loads += static_cast<std::int64_t>(planned.loads.size());
    run_.abandoned += static_cast<std::int64_t>(planned.abandoned.size());
    record.swapped_in = planned.swapped_in;
    record.swapped_out = planned.swapped_out;
    for (const auto& part : planned.computed) {
      if (!part.decode) {
        record.prefills.emplace_back(part.tag, part.cached, part.fresh, part.samples);
        continue;
      }
      ++record.decodes;
      record.decode_context += part.cached + 1;
      for (std::size_t w = 0; w < scheduling_.windows.size(); ++w)
        record.windowed_context[w] += std::min(part.cached + 1, scheduling_.windows[w]);
    }
    auto happened = oracle_.complete(planned);
    record.first_tokens = std::move(happened.first_tokens);
    record.finished = std::move(happened.finished);
    record.free_blocks = static_cast<std::int64_t>(oracle_.pool().free_blocks());
  }

  const RandomScheduling& scheduling_;
  Loads loads_;
  oracle::SchedulerOracle oracle_;
  SchedulerRun run_;
};

}  // namespace

oracle::SchedulerOracle::Spec oracle_spec(const RandomRequest& request, std::uint64_t tag) {
  oracle::SchedulerOracle::Spec spec;
  spec.tag = tag;
  spec.written.salt = request.salt;
  spec.written.tokens = written_out(request.prompt);
  for (std::int64_t i = 0; i < request.output_tokens; ++i)
    spec.written.tokens.emplace_back(request.output.value(), i);
  spec.prompt = request.prompt_tokens;
  spec.output = request.output_tokens;
  spec.max_output = request.max_tokens;
  spec.priority = request.priority;
  spec.arrival = request.arrival_step;
  return spec;
}

SchedulerRun run_scheduler(const RandomScheduling& scheduling, bool many_at_once) {
  return Run(scheduling, many_at_once).run();
}

SchedulerRun run_oracle(const RandomScheduling& scheduling) { return OracleRun(scheduling).run(); }

}  // namespace scsim::test
