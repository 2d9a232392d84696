// Who answers prompts while they come: what the HTTP server asks, and the engine does
// (exec/engine/live_engine.h).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace scsim::exec {

// An answer as it is made. One thread reads it.
class AnswerStream {
 public:
  virtual ~AnswerStream() = default;
  virtual std::optional<std::int32_t> next() = 0;  // waits; nothing at its end
  virtual void cancel() = 0;                       // nobody wants the rest
  // Known once next() gave a token: prompt tokens that were found computed already.
  virtual std::int64_t cached_tokens() const = 0;
  virtual bool complete() const = 0;  // at its end: the model ended it, not the limit
  virtual bool failed() const = 0;    // likewise: it was not made to its end
};

struct Ask {
  std::vector<std::int32_t> prompt;
  std::int64_t max_tokens = 16;
  std::string tenant = "";  // no tenant finds another's blocks
};

// Numbers for whoever watches, all since the start.
struct AnswererCounts {
  std::int64_t running = 0, waiting = 0;  // now
  std::int64_t requests = 0, refused_full = 0, preemptions = 0, steps = 0;
  std::int64_t prompt_tokens = 0, cached_tokens = 0, answer_tokens = 0;
  std::int64_t used_blocks = 0, cached_blocks = 0, num_blocks = 0;  // now
  double busy_seconds = 0;
};

class Answerer {
 public:
  enum class Refusal : std::uint8_t { kNever, kFull, kDraining };
  struct Refused {
    Refusal why;
    std::string message;
  };
  virtual ~Answerer() = default;
  // Any thread. Null: `refused` says why.
  virtual std::shared_ptr<AnswerStream> ask(Ask ask, Refused& refused) = 0;
  virtual AnswererCounts counts() const = 0;
  // Why nothing is answered any more, if so.
  virtual std::string failure() const = 0;
};

}  // namespace scsim::exec
