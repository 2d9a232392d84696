#include "exec/session/calibrate.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "exec/api/cpu_timeline.h"
#include "exec/api/device_timeline.h"
#include "exec/session/device.h"
#include "exec/session/meters.h"
#include "exec/session/prompt_models.h"
#include "exec/session/session_sample.h"
#include "methods/runtime.h"
#include "traces/text.h"
#include "traces/version.h"

namespace scsim::exec {
namespace {

class ModelTaker : public SampleTaker {
 public:
  ModelTaker(LoadedModel& model, const CalibrateOptions& options, const SessionSource& source,
             CalibrationDesign design)
      : model_(model),
        options_(options),
        source_(source),
        design_(std::move(design)),
        timeline_(options.cpu_clock ? cpu_timeline(design_.device.threads)
                                    : timeline_for(model.model->options().device)),
        energy_(std::make_shared<EnergyMeter>(energy_meter(model.model->options().device))),
        tools_(*model.model, model.tokenizer) {}

  Expected<void> warm_up(const SampleKey& block) override {
    const Expected<Ready> ready = get_ready(block);
    if (!ready) return ready.error();
    const Expected<SessionRecord> record = run_one(*ready, options_.methods.front(), {});
    if (!record) return record.error();
    const auto hear = [this](const TurnRecord& turn) {
      pace_.hear(turn.fresh_tokens, turn.times.total - turn.decode_seconds,
                 std::max<std::int64_t>(0, std::ssize(turn.output) - 1), turn.decode_seconds);
    };
    if (record->context) hear(*record->context);
    for (const TurnRecord& turn : record->turns) hear(turn);
    return {};
  }

  // Every answer as long as it may be.
  Expected<double> most_seconds(const SampleKey& block) override {
    const Expected<Ready> ready = get_ready(block);
    if (!ready) return ready.error();
    const TokenSession& session = ready->encoded.tokens;
    auto prefilled = static_cast<double>(session.context.size());
    double decoded = 0;
    for (const TokenTurn& turn : session.turns) {
      // The golden answer goes through the model twice: to be weighed, and in front of the next
      // turn.
      prefilled += static_cast<double>(turn.prompt.size() + 2 * turn.golden.size());
      decoded += static_cast<double>(turn.max_new_tokens);
    }
    return pace_.seconds(prefilled, decoded);
  }

  Expected<void> begin_block(const SampleKey& block, std::span<const SampleKey> samples) override {
    Expected<Ready> ready = get_ready(block);
    if (!ready) return ready.error();
    ready_ = *std::move(ready);
    reference_.clear();
    // Behind the models' own answers a method and full attention are in two conversations, and what
    // they predict is not compared.
    if (!design_.golden_answers || std::ranges::all_of(samples, [this](const SampleKey& key) {
          return method_of(key).name == design_.full_method;
        })) {
      return {};
    }
    Expected<std::vector<at::Tensor>> logits = full_logits();
    if (!logits) return logits.error();
    reference_ = *std::move(logits);
    return {};
  }

  Expected<SessionSample> take(const SampleKey& key) override {
    const methods::MethodChoice& method = method_of(key);
    SessionOptions options;
    attach_meters(options, energy_);
    if (!reference_.empty() && method.name != design_.full_method) options.reference = &reference_;
    const Expected<SessionRecord> record = run_one(ready_, method, options);
    if (!record) return record.error();
    return make_sample(ready_.session, ready_.encoded, *record);
  }

 private:
  struct Ready {
    TaskSession session;
    EncodedSession encoded;
  };

  const methods::MethodChoice& method_of(const SampleKey& key) const {
    return options_.methods[static_cast<std::size_t>(key.method)];
  }

  Expected<Ready> get_ready(const SampleKey& key) const {
    const std::string& task = options_.sessions.tasks[static_cast<std::size_t>(key.task)];
    const std::int64_t length = design_.lengths[static_cast<std::size_t>(key.length)];
    const SessionMode mode = design_.modes[static_cast<std::size_t>(key.mode)];
    Expected<TaskSession> session = source_.get(task, length, key.session);
    if (!session) return session.error();
    Expected<EncodedSession> encoded =
        source_.encode(*session, model_.tokenizer, model_.chat ? &*model_.chat : nullptr, mode,
                       length, model_.model->config().max_positions);
    if (!encoded) return encoded.error();
    return Ready{.session = *std::move(session), .encoded = *std::move(encoded)};
  }

  Expected<SessionRecord> run_one(const Ready& ready, const methods::MethodChoice& method,
                                  SessionOptions options) {
    options.golden_answers = design_.golden_answers;
    options.tools = &tools_;
    const auto runtime = methods::make_runtime(method);
    return run_session(*model_.model, model_.tokenizer, *timeline_, ready.encoded.tokens, *runtime,
                       options);
  }

  Expected<std::vector<at::Tensor>> full_logits() {
    SessionOptions options;
    options.keep_logits = true;
    options.decode = false;
    const auto full = methods::parse_method(design_.full_method);
    Expected<SessionRecord> record = run_one(ready_, *full, options);
    if (!record) return record.error();
    std::vector<at::Tensor> logits;
    for (TurnRecord& turn : record->turns) logits.push_back(std::move(turn.target_logits));
    return logits;
  }

  LoadedModel& model_;
  const CalibrateOptions& options_;
  const SessionSource& source_;
  CalibrationDesign design_;
  std::unique_ptr<Timeline> timeline_;
  std::shared_ptr<EnergyMeter> energy_;
  PromptModels tools_;
  Pace pace_;
  // Of the block under way.
  Ready ready_;
  std::vector<at::Tensor> reference_;  // logits of full attention
};

}  // namespace

CalibrationMethod describe_method(const methods::MethodChoice& choice) {
  CalibrationMethod method{
      .name = choice.name, .preset = choice.preset, .parameters = {}, .emulated = false};
  for (const methods::MethodParameter& parameter :
       (*methods::find_method(choice.name))->parameters) {
    method.parameters.emplace_back(parameter.name,
                                   methods::parameter_text(parameter, choice.parameters));
  }
  return method;
}

CalibrationDesign make_design(const CalibrateOptions& options, const SessionSource& source) {
  CalibrationDesign design;
  design.tool_version = std::string(tool_version());
  design.commit = options.commit;
  design.seed = options.sessions.seed;
  for (const methods::MethodChoice& method : options.methods)
    design.methods.push_back(describe_method(method));
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
  return design;
}

CalibrationDesign make_design(const LoadedModel& model, const CalibrateOptions& options,
                              const SessionSource& source) {
  CalibrationDesign design = make_design(options, source);
  design.model = model.description;
  design.device = describe_device(model.model->options().device);
  design.clock = options.cpu_clock ? cpu_clock_description(design.device.threads)
                                   : clock_description(model.model->options().device);
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
  const CalibrationDesign design = make_design(model, options, *source);
  Expected<CalibrationWriter> writer = CalibrationWriter::open(path, design, options.made_by);
  if (!writer) return writer.error();
  ModelTaker taker(model, options, *source, design);
  return run_calibration(design, taker, *writer, hear);
}

}  // namespace scsim::exec
