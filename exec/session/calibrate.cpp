#include "exec/session/calibrate.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <utility>

#include "exec/api/device_timeline.h"
#include "exec/session/calibration_plan.h"
#include "exec/session/device.h"
#include "exec/session/meters.h"
#include "exec/session/session_sample.h"
#include "methods/runtime.h"
#include "traces/text.h"
#include "traces/version.h"

namespace scsim::exec {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::int64_t unix_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// Rates of this machine and model, from the session that warms up: good enough to say how long the
// rest will take.
struct Pace {
  double seconds_per_prefilled = 0, seconds_per_decoded = 0;

  void learn(const SessionRecord& record) {
    double prefill = 0, decode = 0;
    std::int64_t prefilled = 0, decoded = 0;
    const auto hear = [&](const TurnRecord& turn) {
      prefilled += turn.fresh_tokens;
      prefill += turn.times.total - turn.decode_seconds;
      decode += turn.decode_seconds;
      decoded += std::max<std::int64_t>(0, std::ssize(turn.output) - 1);
    };
    if (record.context) hear(*record.context);
    for (const TurnRecord& turn : record.turns) hear(turn);
    if (prefilled > 0) seconds_per_prefilled = prefill / static_cast<double>(prefilled);
    if (decoded > 0) seconds_per_decoded = decode / static_cast<double>(decoded);
  }
  // At most: every answer as long as it may be.
  double most_seconds(const TokenSession& session) const {
    auto prefilled = static_cast<double>(session.context.size());
    double decoded = 0;
    for (const TokenTurn& turn : session.turns) {
      // The golden answer goes through the model twice: to be weighed, and in front of the next
      // turn.
      prefilled += static_cast<double>(turn.prompt.size() + 2 * turn.golden.size());
      decoded += static_cast<double>(turn.max_new_tokens);
    }
    return prefilled * seconds_per_prefilled + decoded * seconds_per_decoded;
  }
};

class Calibrator {
 public:
  Calibrator(LoadedModel& model, const CalibrateOptions& options, const SessionSource& source,
             CalibrationDesign design, CalibrationWriter& writer,
             const std::function<void(const CalibrateNews&)>& hear)
      : model_(model),
        options_(options),
        source_(source),
        design_(std::move(design)),
        writer_(writer),
        hear_(hear),
        timeline_(timeline_for(model.model->options().device)) {}

  Expected<CalibrationReport> run() {
    const Clock::time_point started = Clock::now();
    const std::vector<PlannedBlock> blocks = plan_blocks(design_);
    CalibrationReport report{.resumed = static_cast<std::int64_t>(writer_.resumed())};
    if (const auto warm = warm_up(blocks.front()); !warm) return warm.error();
    if (const auto estimated = estimate(blocks); !estimated) return estimated.error();
    for (const PlannedBlock& block : blocks) {
      const Expected<std::int64_t> measured = run_block(block);
      if (!measured) return measured.error();
      report.measured += *measured;
    }
    if (const auto finished = writer_.finish(); !finished) return finished.error();
    report.seconds = seconds_since(started);
    return report;
  }

 private:
  struct Ready {
    TaskSession session;
    EncodedSession encoded;
  };

  SessionMode mode_of(const SampleKey& key) const {
    return design_.modes[static_cast<std::size_t>(key.mode)];
  }
  const methods::MethodChoice& method_of(const SampleKey& key) const {
    return options_.methods[static_cast<std::size_t>(key.method)];
  }

  Expected<Ready> get_ready(const SampleKey& key) const {
    const std::string& task = options_.sessions.tasks[static_cast<std::size_t>(key.task)];
    const std::int64_t length = design_.lengths[static_cast<std::size_t>(key.length)];
    Expected<TaskSession> session = source_.get(task, length, key.session);
    if (!session) return session.error();
    Expected<EncodedSession> encoded =
        source_.encode(*session, model_.tokenizer, model_.chat ? &*model_.chat : nullptr,
                       mode_of(key), length, model_.model->config().max_positions);
    if (!encoded) return encoded.error();
    return Ready{.session = *std::move(session), .encoded = *std::move(encoded)};
  }

  Expected<SessionRecord> run_one(const Ready& ready, const methods::MethodChoice& method,
                                  SessionOptions options) {
    options.golden_answers = design_.golden_answers;
    const auto runtime = methods::make_runtime(method);
    return run_session(*model_.model, model_.tokenizer, *timeline_, ready.encoded.tokens, *runtime,
                       options);
  }

  Expected<void> warm_up(const PlannedBlock& block) {
    const Expected<Ready> ready = get_ready(block.key);
    if (!ready) return ready.error();
    const Expected<SessionRecord> record = run_one(*ready, options_.methods.front(), {});
    if (!record) return record.error();
    pace_.learn(*record);
    return {};
  }

  // Every session is made once before anything is measured: what is missing is said at once, and
  // how long it will take.
  Expected<void> estimate(const std::vector<PlannedBlock>& blocks) {
    std::map<SampleKey, double> seconds_of;  // of a session, whichever its repeat
    double left = 0;
    std::int64_t samples = 0;
    for (const PlannedBlock& block : blocks) {
      SampleKey key = block.key;
      key.repeat = 0;
      auto known = seconds_of.find(key);
      if (known == seconds_of.end()) {
        const Expected<Ready> ready = get_ready(key);
        if (!ready) return ready.error();
        known = seconds_of.emplace(key, pace_.most_seconds(ready->encoded.tokens)).first;
      }
      const double each = known->second;
      block_seconds_.push_back(each);
      total_seconds_ += each * static_cast<double>(block.samples.size());
      for (const PlannedSample& sample : block.samples) {
        if (writer_.has(sample.key)) {
          done_seconds_ += each;
        } else {
          left += each;
          ++samples;
        }
      }
    }
    hear_({.fraction = fraction(),
           .samples = static_cast<std::int64_t>(writer_.sessions()),
           .sentence =
               format_integer(samples) + " samples to take, in at most " + format_seconds(left)});
    return {};
  }

  double fraction() const { return total_seconds_ > 0 ? done_seconds_ / total_seconds_ : 0; }

  Expected<std::int64_t> run_block(const PlannedBlock& block) {
    const double each = block_seconds_[static_cast<std::size_t>(blocks_done_++)];
    const auto missing = [this](const PlannedSample& sample) { return !writer_.has(sample.key); };
    if (std::ranges::none_of(block.samples, missing)) return 0;
    const Expected<Ready> ready = get_ready(block.key);
    if (!ready) return ready.error();
    std::vector<at::Tensor> reference;
    // Behind the models' own answers a method and full attention are in two conversations, and what
    // they predict is not compared.
    if (design_.golden_answers &&
        std::ranges::any_of(block.samples, [&](const PlannedSample& sample) {
          return missing(sample) && method_of(sample.key).name != design_.full_method;
        })) {
      Expected<std::vector<at::Tensor>> logits = full_logits(*ready);
      if (!logits) return logits.error();
      reference = *std::move(logits);
    }
    std::int64_t measured = 0;
    for (const PlannedSample& planned : block.samples) {
      if (!missing(planned)) continue;
      if (const auto done = take(planned, *ready, reference); !done) return done.error();
      ++measured;
      done_seconds_ += each;
      hear_({.fraction = fraction(),
             .samples = static_cast<std::int64_t>(writer_.sessions()),
             .sentence = ""});
    }
    return measured;
  }

  Expected<std::vector<at::Tensor>> full_logits(const Ready& ready) {
    SessionOptions options;
    options.keep_logits = true;
    options.decode = false;
    const auto full = methods::parse_method(design_.full_method);
    Expected<SessionRecord> record = run_one(ready, *full, options);
    if (!record) return record.error();
    std::vector<at::Tensor> logits;
    for (TurnRecord& turn : record->turns) logits.push_back(std::move(turn.target_logits));
    return logits;
  }

  Expected<void> take(const PlannedSample& planned, const Ready& ready,
                      const std::vector<at::Tensor>& reference) {
    const methods::MethodChoice& method = method_of(planned.key);
    SessionOptions options;
    attach_meters(options);
    if (!reference.empty() && method.name != design_.full_method) options.reference = &reference;
    const std::int64_t began = unix_ns();
    const Expected<SessionRecord> record = run_one(ready, method, options);
    if (!record) return record.error();
    Expected<SessionSample> sample = make_sample(ready.session, ready.encoded, *record);
    if (!sample) return sample.error();
    sample->key = planned.key;
    sample->order = planned.order;
    sample->began_unix_ns = began;
    return writer_.append(*sample);
  }

  LoadedModel& model_;
  const CalibrateOptions& options_;
  const SessionSource& source_;
  CalibrationDesign design_;
  CalibrationWriter& writer_;
  const std::function<void(const CalibrateNews&)>& hear_;
  std::unique_ptr<Timeline> timeline_;
  Pace pace_;
  std::vector<double> block_seconds_;
  std::size_t blocks_done_ = 0;
  double total_seconds_ = 0, done_seconds_ = 0;
};

CalibrationMethod describe(const methods::MethodChoice& choice) {
  CalibrationMethod method{
      .name = choice.name, .preset = choice.preset, .parameters = {}, .emulated = false};
  for (const methods::MethodParameter& parameter :
       (*methods::find_method(choice.name))->parameters) {
    method.parameters.emplace_back(parameter.name,
                                   methods::parameter_text(parameter, choice.parameters));
  }
  return method;
}

}  // namespace

CalibrationDesign make_design(const LoadedModel& model, const CalibrateOptions& options,
                              const SessionSource& source) {
  CalibrationDesign design;
  design.model = model.description;
  design.device = describe_device(model.model->options().device);
  design.tool_version = std::string(tool_version());
  design.commit = options.commit;
  design.clock = clock_description(model.model->options().device);
  design.seed = options.sessions.seed;
  for (const methods::MethodChoice& method : options.methods)
    design.methods.push_back(describe(method));
  for (const std::string& task : options.sessions.tasks) {
    design.tasks.push_back({.name = task, .source = source.description(task), .notes = {}});
  }
  design.modes = options.modes;
  design.lengths = options.lengths;
  design.turns = options.sessions.turns;
  design.sessions = options.sessions.sessions;
  design.repeats = options.repeats;
  design.warm_ups = 1;
  design.prompt_style = std::string(prompt_style_name(options.sessions.style));
  design.golden_answers = options.sessions.golden_answers;
  design.full_method = "full";
  return design;
}

Expected<CalibrationReport> calibrate(LoadedModel& model, const CalibrateOptions& options,
                                      const std::string& path,
                                      const std::function<void(const CalibrateNews&)>& hear) {
  const Tokenizer& tokenizer = model.tokenizer;
  const Expected<SessionSource> source =
      SessionSource::make(options.sessions, [&tokenizer](std::string_view text) {
        return std::ssize(tokenizer.encode(text, SpecialTokens::kAsText));
      });
  if (!source) return source.error();
  if (model.description.weights_hash.empty()) {
    Expected<std::string> hash = hash_weights(model.path);
    if (!hash) return hash.error();
    model.description.weights_hash = *std::move(hash);
  }
  CalibrationDesign design = make_design(model, options, *source);
  Expected<CalibrationWriter> writer = CalibrationWriter::open(path, design, options.made_by);
  if (!writer) return writer.error();
  return Calibrator(model, options, *source, std::move(design), *writer, hear).run();
}

}  // namespace scsim::exec
