// Steps taken many at once against steps taken one by one, and the laws that every step keeps.
#include "sim/scheduler.h"

#include <catch2/catch.hpp>
#include <map>
#include <tuple>

#include "tests/sim/random_scheduling.h"

namespace scsim::sim {
namespace {

using test::RandomRequest;
using test::RandomScheduling;

constexpr std::int64_t kUnseen = -1;
// Without room kept for whole prompts, two requests of one priority can preempt each other for
// ever, in vLLM too; such a run is compared up to here.
constexpr std::int64_t kMostSteps = 20'000;

// What one step decided and what had happened by its end; requests by their tags.
struct StepRecord {
  std::int64_t decodes = 0, decode_context = 0, swapped_out = 0, swapped_in = 0;
  std::array<std::int64_t, 2> windowed_context{};
  std::vector<std::tuple<std::uint64_t, std::int64_t, std::int64_t, bool>> prefills;
  std::vector<std::tuple<std::uint64_t, std::int64_t, bool>> admitted;
  std::vector<std::uint64_t> preempted, first_tokens, finished;
  std::int64_t free_blocks = kUnseen;  // after it; not known inside a run of steps
  bool operator==(const StepRecord&) const = default;
};

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

using Steps = std::map<std::int64_t, StepRecord>;  // by number; idle ones are absent

class Run final : private Scheduler::Listener {
 public:
  Run(const RandomScheduling& scheduling, bool many_at_once)
      : scheduling_(scheduling),
        many_at_once_(many_at_once),
        scheduler_(scheduling.knobs, scheduling.num_blocks, scheduling.max_model_len,
                   scheduling.windows) {}

  Steps steps() {
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
    if (step >= kMostSteps) return std::move(records_);
    // INV-CONSERVE: all blocks came back, every request ended as long as it was to be.
    REQUIRE(scheduler_.pool().free_blocks() == scheduling_.num_blocks);
    REQUIRE(ended_ == scheduling_.requests.size());
    return std::move(records_);
  }

  std::int64_t preemptions() const { return preemptions_; }

 private:
  void add_until(std::int64_t step) {
    for (; next_ < scheduling_.requests.size(); ++next_) {
      const RandomRequest& request = scheduling_.requests[next_];
      if (request.arrival_step > step) return;
      const JobId job = scheduler_.add(test::job_spec(request, next_));
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
            std::min(request.output_tokens, scheduling_.max_model_len - request.prompt_tokens));
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

TEST_CASE("steps taken many at once decide what they decide one at a time", "[sim][scheduler]") {
  std::size_t steps = 0;
  std::int64_t preemptions = 0;
  for (std::uint64_t trial = 0; trial < 1500; ++trial) {
    Rng rng(trial, "test.scheduler");
    const RandomScheduling scheduling = test::random_scheduling(rng);
    CAPTURE(trial, scheduling.describe());
    Run slow_run(scheduling, false), fast_run(scheduling, true);
    const Steps slow = slow_run.steps();
    const Steps fast = fast_run.steps();
    for (const auto& [number, expected] : slow) {
      const auto found = fast.find(number);
      CAPTURE(number, describe(expected));
      REQUIRE(found != fast.end());
      StepRecord record = found->second;
      CAPTURE(describe(record));
      if (record.free_blocks == kUnseen) record.free_blocks = expected.free_blocks;
      REQUIRE(record == expected);
    }
    REQUIRE(fast.size() == slow.size());
    if (scheduling.knobs.reserve_output == 1 &&
        std::ranges::none_of(scheduling.requests,
                             [](const auto& request) { return request.max_tokens == 0; }))
      REQUIRE(slow_run.preemptions() == 0);  // room for every answer was kept
    steps += slow.size();
    preemptions += slow_run.preemptions();
  }
  CHECK(steps > 80'000);  // the trials do decode, and do run out of blocks
  CHECK(preemptions > 1'000);
}

}  // namespace
}  // namespace scsim::sim
