#include "analysis/study/crew.h"

#include <chrono>
#include <mutex>
#include <thread>

namespace scsim::analysis {
namespace {

constexpr std::chrono::microseconds kPollEvery{200};

// What one run() hands out and takes in.
class Board {
 public:
  Board(std::size_t count, const std::function<Expected<void>(std::size_t, const JobResult&)>& done)
      : count_(count), done_(done) {}

  std::optional<std::size_t> take() {
    const std::lock_guard lock(mutex_);
    if (next_ == count_ || !error_.empty()) return std::nullopt;
    ++running_;
    return next_++;
  }
  void hand_in(std::size_t job, const JobResult& result) {
    const std::lock_guard lock(mutex_);
    --running_;
    if (!error_.empty()) return;
    if (const auto taken = done_(job, result); !taken) error_ = taken.error().message;
  }
  bool finished() {
    const std::lock_guard lock(mutex_);
    return running_ == 0 && (next_ == count_ || !error_.empty());
  }
  Expected<void> outcome() const {
    if (!error_.empty()) return Error{error_};
    return {};
  }

 private:
  std::size_t count_, next_ = 0, running_ = 0;
  const std::function<Expected<void>(std::size_t, const JobResult&)>& done_;
  std::string error_;
  std::mutex mutex_;
};

}  // namespace

Crew::Crew(Ranks& ranks, int threads, Workloads& workloads)
    : ranks_(ranks), threads_(ranks.size() > 1 ? 1 : threads), workloads_(workloads) {
  if (ranks.rank() > 0) return;
  for (int rank = 1; rank < ranks.size(); ++rank) idle_.push_back(rank);
}

Crew::~Crew() {
  if (helps()) return;
  for (const int rank : idle_) ranks_.send(rank, "");
}

void Crew::help() {
  Profiles profiles;
  while (true) {
    const auto message = ranks_.poll();
    if (!message) {
      std::this_thread::sleep_for(kPollEvery);
      continue;
    }
    if (message->bytes.empty()) return;
    const auto job = job_from(message->bytes, profiles);
    JobResult result;
    if (job)
      result = run_job(job->job, workloads_);
    else
      result.error = job.error().message;
    ranks_.send(0, to_bytes(number_of_job(message->bytes), result));
  }
}

Expected<void> Crew::run(std::size_t count, const std::function<Job(std::size_t)>& job,
                         const std::function<Expected<void>(std::size_t, const JobResult&)>& done) {
  Board board(count, done);
  const auto work = [&] {
    while (const auto number = board.take())
      board.hand_in(*number, run_job(job(*number), workloads_));
  };
  std::vector<std::jthread> threads;
  const auto wanted = std::min(count, static_cast<std::size_t>(std::max(threads_, 1)));
  for (std::size_t i = 0; i < wanted; ++i) threads.emplace_back(work);
  while (ranks_.size() > 1 && !board.finished()) {
    while (!idle_.empty()) {
      const auto number = board.take();
      if (!number) break;
      ranks_.send(idle_.back(), to_bytes(*number, job(*number)));
      idle_.pop_back();
    }
    const auto message = ranks_.poll();
    if (!message) {
      std::this_thread::sleep_for(kPollEvery);
      continue;
    }
    const NumberedResult result = result_from(message->bytes);
    idle_.push_back(message->from);
    board.hand_in(result.number, result.result);
  }
  threads.clear();  // joins them
  return board.outcome();
}

}  // namespace scsim::analysis
