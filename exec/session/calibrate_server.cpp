#include "exec/session/calibrate_server.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <numeric>
#include <utility>

#include "exec/session/loaded_model.h"
#include "exec/session/run_server_session.h"
#include "exec/session/session_sample.h"
#include "traces/check.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

class ServerTaker : public SampleTaker {
 public:
  ServerTaker(const RemoteEngine& engine, const TokenCounter& counter,
              const CalibrateOptions& options, const SessionSource& source,
              CalibrationDesign design)
      : engine_(engine),
        counter_(counter.tokenizer),
        options_(options),
        source_(source),
        design_(std::move(design)) {}

  Expected<void> warm_up(const SampleKey& block) override {
    const Expected<Ready> ready = get_ready(block);
    if (!ready) return ready.error();
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto answers =
        run_server_session(engine_, ready->worded,
                           {.golden_answers = design_.golden_answers,
                            .preface = "Begun at " + std::to_string(now.count()) + ".\n\n"});
    if (!answers) return answers.error();
    for (std::size_t t = 0; t < answers->size(); ++t) {
      const RemoteAnswer& answer = (*answers)[t];
      const std::int64_t prompt =
          answer.usage ? answer.usage->prompt_tokens - answer.usage->cached_tokens.value_or(0)
                       : ready->worded.prompt_tokens[t];
      pace_.hear(prompt, answer.ttft_seconds.value_or(answer.total_seconds),
                 std::ssize(answer.itl_seconds),
                 std::accumulate(answer.itl_seconds.begin(), answer.itl_seconds.end(), 0.0));
    }
    return {};
  }

  // Nothing found in its cache, every answer as long as it may be.
  Expected<double> most_seconds(const SampleKey& block) override {
    const Expected<Ready> ready = get_ready(block);
    if (!ready) return ready.error();
    double prompts = 0;
    double outputs = 0;
    for (std::size_t t = 0; t < ready->worded.plan.turns.size(); ++t) {
      prompts += static_cast<double>(ready->worded.prompt_tokens[t]);
      outputs += static_cast<double>(ready->worded.plan.turns[t].max_new_tokens);
    }
    return pace_.seconds(prompts, outputs);
  }

  Expected<void> begin_block(const SampleKey& block,
                             std::span<const SampleKey> /*samples*/) override {
    Expected<Ready> ready = get_ready(block);
    if (!ready) return ready.error();
    ready_ = *std::move(ready);
    return {};
  }

  Expected<SessionSample> take(const SampleKey& /*key*/) override {
    const auto answers =
        run_server_session(engine_, ready_.worded, {.golden_answers = design_.golden_answers});
    if (!answers) {
      return Error{answers.error().message +
                   "; the sample in flight is lost, the same command goes on behind those that are "
                   "there"};
    }
    return make_server_sample(ready_.session, ready_.worded, *answers, counter_);
  }

 private:
  struct Ready {
    TaskSession session;
    WordedSession worded;
  };

  Expected<Ready> get_ready(const SampleKey& key) const {
    const std::string& task = options_.sessions.tasks[static_cast<std::size_t>(key.task)];
    const std::int64_t length = design_.lengths[static_cast<std::size_t>(key.length)];
    const SessionMode mode = design_.modes[static_cast<std::size_t>(key.mode)];
    Expected<TaskSession> session = source_.get(task, length, key.session);
    if (!session) return session.error();
    Expected<WordedSession> worded = source_.word(*session, counter_, mode, length);
    if (!worded) return worded.error();
    return Ready{.session = *std::move(session), .worded = *std::move(worded)};
  }

  const RemoteEngine& engine_;
  const Tokenizer& counter_;
  const CalibrateOptions& options_;
  const SessionSource& source_;
  CalibrationDesign design_;
  Pace pace_;
  Ready ready_;  // of the block under way
};

CalibrationDesign design_of(const RemoteEngine& engine, const TokenCounter& counter,
                            const CalibrateOptions& options, const SessionSource& source) {
  CalibrationDesign design = make_design(options, source);
  design.model.name = engine.model();
  design.model.tokenizer = counter.name;
  design.device.name = engine.url();
  design.device.kind = "server";
  design.device.library = engine.software();
  design.clock = "steady clock of the client";
  design.methods.push_back({.name = "server", .preset = "", .parameters = {}, .emulated = false});
  design.server = engine.url();
  design.honesty.push_back(
      "prefix cache: the server may have kept what earlier samples sent; cached tokens say how "
      "much "
      "of a prompt it found, where it says so");
  if (!counter.chosen) {
    design.honesty.push_back("lengths: counted by the tokenizer of " + counter.name +
                             ", which nobody said is the server's");
  }
  if (options.sessions.style == PromptStyle::kReleased) {
    for (CalibrationTask& task : design.tasks) {
      const Expected<TaskEntry> entry = find_task(task.name);
      SCSIM_CHECK(entry.has_value());
      if (entry->released.follow_up_lead.empty()) continue;
      task.notes.push_back("\"" + std::string(entry->released.follow_up_lead) +
                           "\", which the released code has follow-up answers begin with, cannot "
                           "be said for a server and is left out");
    }
  }
  return design;
}

}  // namespace

Expected<TokenCounter> load_token_counter(const std::string& path) {
  const Expected<std::string> file =
      path.empty() ? default_model_path() : Expected<std::string>(path);
  if (!file) return file.error();
  Expected<Tokenizer> tokenizer = load_tokenizer(*file);
  if (!tokenizer) return tokenizer.error();
  const std::filesystem::path given = std::filesystem::path(*file + "/").parent_path();
  return TokenCounter{.tokenizer = *std::move(tokenizer),
                      .name = given.filename().string(),
                      .chosen = !path.empty()};
}

Expected<CalibrationReport> calibrate_server(
    const RemoteEngine& engine, const TokenCounter& counter, const CalibrateOptions& options,
    const std::string& path, const std::function<void(const CalibrateNews&)>& hear) {
  SCSIM_CHECK(options.methods.empty());
  const Tokenizer& tokenizer = counter.tokenizer;
  const Expected<SessionSource> source =
      SessionSource::make(options.sessions, [&tokenizer](std::string_view text) {
        return std::ssize(tokenizer.encode(text, SpecialTokens::kAsText));
      });
  if (!source) return source.error();
  const CalibrationDesign design = design_of(engine, counter, options, *source);
  Expected<CalibrationWriter> writer = CalibrationWriter::open(path, design, options.made_by);
  if (!writer) return writer.error();
  ServerTaker taker(engine, counter, options, *source, design);
  return run_calibration(design, taker, *writer, hear);
}

}  // namespace scsim::exec
