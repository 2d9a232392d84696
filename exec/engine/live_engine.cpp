#include "exec/engine/live_engine.h"

#include <ATen/Parallel.h>

#include <deque>
#include <optional>
#include <utility>

#include "traces/text.h"

namespace scsim::exec {

class LiveEngine::Stream final : public AnswerStream {
 public:
  std::optional<std::int32_t> next() override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !tokens_.empty() || ended_; });
    if (tokens_.empty()) return std::nullopt;
    const std::int32_t token = tokens_.front();
    tokens_.pop_front();
    return token;
  }
  void cancel() override {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
  }
  std::int64_t cached_tokens() const override {
    const std::lock_guard lock(mutex_);
    return cached_;
  }
  bool complete() const override {
    const std::lock_guard lock(mutex_);
    return complete_;
  }

  bool failed() const override {
    const std::lock_guard lock(mutex_);
    return failed_;
  }

  bool cancelled() const {
    const std::lock_guard lock(mutex_);
    return cancelled_;
  }
  void admitted(std::int64_t cached) {
    const std::lock_guard lock(mutex_);
    cached_ = cached;
  }
  void fail() {
    const std::lock_guard lock(mutex_);
    ended_ = failed_ = true;
    changed_.notify_one();
  }
  void push(std::optional<std::int32_t> token, bool last, bool complete) {
    const std::lock_guard lock(mutex_);
    if (token) tokens_.push_back(*token);
    ended_ = ended_ || last;
    complete_ = complete_ || complete;
    changed_.notify_one();
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::int32_t> tokens_;
  bool ended_ = false, cancelled_ = false, complete_ = false, failed_ = false;
  std::int64_t cached_ = 0;
};

LiveEngine::LiveEngine(Engine& engine, Options options)
    : engine_(engine), options_(std::move(options)) {
  engine_.set_ending(
      [this](std::uint64_t, std::int32_t token) { return options_.ends && options_.ends(token); });
  counts_.num_blocks = engine.pool().num_blocks();
  // How many threads compute is told to each thread that begins work.
  thread_ = std::thread([this, threads = at::get_num_threads()] {
    at::set_num_threads(threads);
    run();
  });
}

LiveEngine::~LiveEngine() { drain(); }

std::shared_ptr<AnswerStream> LiveEngine::ask(Ask ask, Refused& refused) {
  if (const auto reason = engine_.refuse(std::ssize(ask.prompt))) {
    refused = {Refusal::kNever, *reason};
    return nullptr;
  }
  const std::lock_guard lock(mutex_);
  if (draining_) {
    refused = {Refusal::kDraining, "the server is about to stop"};
    return nullptr;
  }
  if (counts_.waiting >= options_.most_waiting) {
    ++counts_.refused_full;
    refused = {Refusal::kFull,
               format_integer(counts_.waiting) + " requests wait; no more are taken for now"};
    return nullptr;
  }
  ++counts_.waiting;
  ++counts_.requests;
  counts_.prompt_tokens += std::ssize(ask.prompt);
  auto stream = std::make_shared<Stream>();
  incoming_.push_back({next_tag_++, std::move(ask), stream});
  something_.notify_all();
  return stream;
}

AnswererCounts LiveEngine::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

std::string LiveEngine::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

void LiveEngine::stop_taking() {
  const std::lock_guard lock(mutex_);
  draining_ = true;
  something_.notify_all();
}

void LiveEngine::drain() {
  stop_taking();
  if (thread_.joinable()) thread_.join();
}

// ---- the engine's thread ----

void LiveEngine::run() {
  while (true) {
    std::vector<Taken> taken;
    {
      std::unique_lock lock(mutex_);
      something_.wait(lock, [&] { return !incoming_.empty() || !active_.empty() || draining_; });
      taken = std::exchange(incoming_, {});
      if (taken.empty() && active_.empty()) return;  // drained
    }
    submit(std::move(taken));
    drop_cancelled();
    const Expected<bool> ran = engine_.step();
    if (!ran) {
      const std::lock_guard lock(mutex_);
      failure_ = ran.error().message;
      draining_ = true;
      for (const Taken& one : incoming_) one.stream->fail();
      for (const auto& [tag, one] : active_) one.stream->fail();
      return;
    }
    if (*ran) hand_out();
  }
}

void LiveEngine::submit(std::vector<Taken> taken) {
  for (Taken& one : taken) {
    const JobId job = engine_.submit({.tag = one.tag,
                                      .prompt = std::move(one.ask.prompt),
                                      .output_tokens = one.ask.max_tokens,
                                      .salt = std::move(one.ask.tenant)});
    active_.emplace(one.tag, Active{job, std::move(one.stream)});
  }
}

void LiveEngine::drop_cancelled() {
  std::erase_if(active_, [&](const auto& one) {
    if (!one.second.stream->cancelled()) return false;
    engine_.cancel(one.second.job);
    one.second.stream->push({}, true, false);
    return true;
  });
  const std::lock_guard lock(mutex_);
  counts_.running = engine_.scheduler().running();
  counts_.waiting = engine_.scheduler().waiting() + std::ssize(incoming_);
}

void LiveEngine::hand_out() {
  const StepRecord& step = engine_.record();
  std::int64_t cached = 0;
  for (const StepRecord::Admitted& one : step.admitted) {
    if (one.resumed) continue;
    const std::int64_t found = one.found + one.loaded[0] + one.loaded[1];
    active_.at(one.tag).stream->admitted(found);
    cached += found;
  }
  for (const StepRecord::Token& one : step.tokens) {
    const auto active = active_.find(one.tag);
    const bool ends = options_.ends && options_.ends(one.token);
    // The token that ends an answer is not part of it.
    active->second.stream->push(ends ? std::nullopt : std::optional(one.token), one.last, ends);
    if (one.last) active_.erase(active);
  }
  const std::lock_guard lock(mutex_);
  counts_.cached_tokens += cached;
  counts_.answer_tokens += std::ssize(step.tokens);
  counts_.preemptions += std::ssize(step.preempted);
  ++counts_.steps;
  counts_.busy_seconds += step.times.total;
  counts_.running = engine_.scheduler().running();
  counts_.waiting = engine_.scheduler().waiting() + std::ssize(incoming_);
  counts_.used_blocks = engine_.pool().used_blocks();
  counts_.cached_blocks = engine_.pool().cached_blocks();
}

}  // namespace scsim::exec
