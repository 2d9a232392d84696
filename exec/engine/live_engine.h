// The engine as requests come to it from many threads: one thread of its own runs its steps,
// streams carry the tokens out.
//
//   LiveEngine live(engine, {.ends = [&](std::int32_t token) { return tokenizer.is_end(token); }});
//   std::shared_ptr<AnswerStream> answer = live.ask({.prompt = tokens, .max_tokens = 64}, refused);
//   while (const auto token = answer->next()) ...
//   live.drain();   // nothing more is taken; what was taken is answered
//
// At most `most_waiting` requests wait for admission; one more is refused.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "exec/engine/engine.h"
#include "exec/serve/answerer.h"

namespace scsim::exec {

class LiveEngine final : public Answerer {
 public:
  struct Options {
    std::function<bool(std::int32_t token)> ends = {};  // an answer, whatever its limit
    std::int64_t most_waiting = 64;
  };
  // REQUIRES: the engine outlives it, is idle, and nobody else touches it.
  LiveEngine(Engine& engine, Options options);
  ~LiveEngine() override;  // as drain()

  std::shared_ptr<AnswerStream> ask(Ask ask, Refused& refused) override;
  AnswererCounts counts() const override;
  void stop_taking();  // what comes from now on is refused
  void drain();
  std::string failure() const override;  // the model's error

 private:
  class Stream;
  struct Taken {
    std::uint64_t tag;
    Ask ask;
    std::shared_ptr<Stream> stream;
  };
  struct Active {
    JobId job;
    std::shared_ptr<Stream> stream;
  };
  void run();
  void submit(std::vector<Taken> taken);
  void drop_cancelled();
  void hand_out();

  Engine& engine_;
  Options options_;
  mutable std::mutex mutex_;  // of all below up to `active_`
  std::condition_variable something_;
  std::vector<Taken> incoming_;
  AnswererCounts counts_;
  std::uint64_t next_tag_ = 0;
  bool draining_ = false;
  std::string failure_;
  std::map<std::uint64_t, Active> active_;  // the engine's thread's own
  std::thread thread_;
};

}  // namespace scsim::exec
