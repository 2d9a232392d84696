#include "tests/sim/scheduler_run.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/oracle/scheduler_oracle.h"

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
  for (const auto& [tag, found, resumed] : record.admitted)
    text += " " + std::to_string(tag) + ":" + std::to_string(found) + (resumed ? "r" : "");
  for (const auto& [name, tags] :
       {std::pair{" preempted", &record.preempted}, std::pair{" first", &record.first_tokens},
        std::pair{" finished", &record.finished}}) {
    text += name;
    for (const std::uint64_t tag : *tags) text += " " + std::to_string(tag);
  }
  return text;
}

namespace {

class Run final : private Scheduler::Listener {
 public:
  Run(const RandomScheduling& scheduling, bool many_at_once)
      : scheduling_(scheduling),
        many_at_once_(many_at_once),
        scheduler_(scheduling.knobs, scheduling.num_blocks, scheduling.max_model_len,
                   scheduling.windows) {}

  SchedulerRun run() {
    std::int64_t step = 0;
    while (step < kMostSteps) {
      add_until(step);
      cancel_due(step);
      const bool any = scheduler_.plan(TimePoint(step));
      const std::int64_t count =
          any && many_at_once_ ? std::min(scheduler_.repeats(), next_event(step) - step) : 1;
      record_plan(step, count);
      if (!any) {
        if (scheduler_.step().preempted.empty()) {
          // An engine that can do nothing has nothing to do.
          REQUIRE(scheduler_.running() == 0);
          REQUIRE(scheduler_.waiting() == 0);
          if (next_ == scheduling_.requests.size()) break;
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
    if (step >= kMostSteps) return {std::move(records_), preemptions_};
    // INV-CONSERVE: all blocks came back, every request ended as long as it was to be.
    REQUIRE(scheduler_.pool().free_blocks() == scheduling_.num_blocks);
    REQUIRE(ended_ == scheduling_.requests.size());
    return {std::move(records_), preemptions_};
  }

 private:
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
      job_of_.erase(place);
      ++ended_;
    }
  }

  // When the run of steps begun at `step` has to be interrupted. An arrival behind others that
  // wait, first come first served, changes nothing (the simulator relies on that).
  std::int64_t next_event(std::int64_t step) const {
    std::int64_t next = kMostSteps;
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
      planned.admitted.emplace_back(scheduler_.tag(admitted.job), admitted.found, admitted.resumed);
    }
    for (const JobId job : step.preempted) planned.preempted.push_back(scheduler_.tag(job));
    preemptions_ += static_cast<std::int64_t>(step.preempted.size());
    for (const Step::Prefill& prefill : step.prefills) {
      planned.prefills.emplace_back(scheduler_.tag(prefill.job), prefill.cached, prefill.fresh,
                                    prefill.last);
    }
    planned.swapped_in = step.swapped_in;
    planned.swapped_out = step.swapped_out;
    if (step.empty() && step.preempted.empty()) return;
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
  Steps records_;
  StepRecord* current_ = nullptr;
  std::int64_t preemptions_ = 0;
};

class OracleRun {
 public:
  explicit OracleRun(const RandomScheduling& scheduling)
      : scheduling_(scheduling),
        oracle_(scheduling.knobs, scheduling.num_blocks, scheduling.max_model_len) {}

  SchedulerRun run() {
    std::size_t next = 0;
    for (std::int64_t step = 0; step < kMostSteps; ++step) {
      for (; next < scheduling_.requests.size() && scheduling_.requests[next].arrival_step <= step;
           ++next)
        add(next);
      for (std::size_t place = 0; place < next; ++place)
        if (scheduling_.requests[place].cancel_step == step) oracle_.cancel(place);
      const auto planned = oracle_.plan();
      if (!planned.computed.empty() || !planned.preempted.empty()) record(step, planned);
      if (oracle_.waiting() + oracle_.running() == 0 && next == scheduling_.requests.size()) break;
    }
    return {std::move(records_), preemptions_};
  }

 private:
  void add(std::size_t place) {
    const RandomRequest& request = scheduling_.requests[place];
    oracle::SchedulerOracle::Spec spec;
    spec.tag = place;
    spec.written.salt = request.salt;
    spec.written.tokens = written_out(request.prompt);
    for (std::int64_t i = 0; i < request.output_tokens; ++i)
      spec.written.tokens.emplace_back(request.output.value(), i);
    spec.prompt = request.prompt_tokens;
    spec.output = request.output_tokens;
    spec.max_output = request.max_tokens;
    spec.priority = request.priority;
    spec.arrival = request.arrival_step;
    oracle_.add(spec);
  }

  void record(std::int64_t number, const oracle::SchedulerOracle::Step& planned) {
    StepRecord& record = records_[number];
    for (const auto& [tag, found, resumed] : planned.admitted)
      record.admitted.emplace_back(tag, found, resumed);
    record.preempted = planned.preempted;
    preemptions_ += static_cast<std::int64_t>(planned.preempted.size());
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
  oracle::SchedulerOracle oracle_;
  Steps records_;
  std::int64_t preemptions_ = 0;
};

}  // namespace

SchedulerRun run_scheduler(const RandomScheduling& scheduling, bool many_at_once) {
  return Run(scheduling, many_at_once).run();
}

SchedulerRun run_oracle(const RandomScheduling& scheduling) { return OracleRun(scheduling).run(); }

}  // namespace scsim::test
