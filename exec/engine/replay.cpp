#include "exec/engine/replay.h"

#include <map>
#include <optional>
#include <utility>

#include "exec/engine/replay_record.h"
#include "traces/check.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

class Replay {
 public:
  Replay(TraceArrivals arrivals, ContentTokens contents, Engine& engine, EngineClock& clock,
         const ReplayOptions& options)
      : arrivals_(std::move(arrivals)),
        contents_(std::move(contents)),
        engine_(engine),
        clock_(clock),
        options_(options),
        record_(begun(), engine) {}

  Expected<Result> run() {
    while (true) {
      take_arrivals();
      give_up();
      const TimePoint begin = clock_.now();
      const Expected<bool> ran = engine_.step();
      if (!ran) return ran.error();
      if (*ran) {
        stepped(begin);
        continue;
      }
      SCSIM_CHECK(active_.empty());  // what can run runs
      if (const std::optional<TimePoint> next = arrivals_.next()) {
        clock_.wait_until(*next);
      } else {
        break;
      }
    }
    SCSIM_CHECK_EQ(ended_, arrivals_.requests());  // INV-CONSERVE
    Result result = record_.finish(clock_.now());
    add_honesty(result);
    return result;
  }

 private:
  struct Running {
    JobId job;
    const Request* request;
    std::optional<TimePoint> patience;
  };

  Result begun() const {
    Result result;
    result.trace = arrivals_.header();
    result.tables = arrivals_.tables();
    result.slos = arrivals_.tables().slos;
    EngineKnobs knobs = engine_.scheduler().knobs();
    knobs.max_model_len = engine_.scheduler().max_model_len();
    result.cluster_text = "# " + engine_.model().config().name + "\n" + knobs_text(knobs);
    result.router = "none";
    return result;
  }

  void add_honesty(Result& result) const {
    result.honesty.push_back("real: " + engine_.model().config().name +
                             " computed every token; time is by the " + clock_.description());
    if (engine_.method().contract != nullptr)
      result.honesty.push_back("method: every request is served with " + engine_.method().text);
    if (engine_.scheduler().compresses())
      result.honesty.push_back("compressed caches are not kept for a session's later turns");
    if (!arrivals_.any_text())
      result.honesty.emplace_back("made-up tokens: the trace's contents have no text");
    if (arrivals_.tables().models.size() > 1) {
      result.honesty.push_back("one model: the trace names " +
                               format_integer(std::ssize(arrivals_.tables().models)) +
                               ", all served by " + engine_.model().config().name);
    }
    if (refused_ > 0) {
      result.honesty.push_back("refused: " + format_integer(refused_) +
                               " requests, the first: " + first_refusal_);
    }
    if (record_.most_passes() > 1) {
      result.honesty.push_back(
          "passes: steps in which a request found blocks of the same step took up to " +
          format_integer(record_.most_passes()) + " passes through the model");
    }
  }

  void take_arrivals() {
    while (true) {
      const std::optional<TimePoint> next = arrivals_.next();
      if (!next || *next > clock_.now()) break;
      const auto [request, when] = arrivals_.take();
      arrive(*request, when);
    }
  }

  void arrive(const Request& request, TimePoint when) {
    const std::uint64_t tag = record_.arrived(request, when);
    if (const auto reason = engine_.refuse(request.prompt_tokens().value())) {
      if (refused_++ == 0)
        first_refusal_ = "request " + std::to_string(request.id.value()) + ": " + *reason;
      record_.refused(tag, when);
      ++ended_;
      arrivals_.ended(request.id, when);
      return;
    }
    const std::int64_t most = request.max_tokens.value();
    JobSpec spec{.tag = tag,
                 .prompt = contents_.of(request.prompt),
                 .output_tokens = most > 0 ? std::min(request.output_tokens.value(), most)
                                           : request.output_tokens.value(),
                 .salt = salt_of(request),
                 .priority = request.priority,
                 .arrival = when.ns(),
                 .tie = request.id.value()};
    Running running{.job = engine_.submit(std::move(spec)), .request = &request, .patience = {}};
    if (request.cancel_after) running.patience = when + *request.cancel_after;
    active_.emplace(tag, running);
  }

  std::string salt_of(const Request& request) const {
    std::string salt = options_.isolate_tenants ? std::to_string(request.tenant.value()) : "";
    if (engine_.caches_are_private()) salt += "/" + std::to_string(request.session.value());
    return salt;
  }

  // Clients whose patience has ended go, between steps.
  void give_up() {
    for (auto one = active_.begin(); one != active_.end();) {
      const auto& [tag, running] = *one;
      if (!running.patience || *running.patience > clock_.now()) {
        ++one;
        continue;
      }
      const std::int64_t produced = engine_.scheduler().produced(running.job);
      engine_.cancel(running.job);
      record_.cancelled(tag, produced, clock_.now());
      ++ended_;
      arrivals_.ended(running.request->id, clock_.now());
      one = active_.erase(one);
    }
  }

  void stepped(TimePoint begin) {
    const StepRecord& step = engine_.record();
    Duration took{};
    for (const double seconds : step.times.seconds) took += to_duration(Seconds(seconds));
    clock_.stepped(took);
    const TimePoint end = clock_.now();
    record_.stepped(step, begin, end);
    for (const StepRecord::Token& token : step.tokens) {
      const Running running = active_.at(token.tag);
      answers_[token.tag].push_back(token.token);
      if (!token.last) continue;
      finish(token.tag, *running.request, end);
    }
    if (options_.progress) {
      options_.progress(static_cast<double>(ended_) / static_cast<double>(arrivals_.requests()),
                        ended_);
    }
  }

  void finish(std::uint64_t tag, const Request& request, TimePoint end) {
    const std::vector<std::int32_t> answer = std::move(answers_.extract(tag).mapped());
    if (options_.answered) options_.answered(request.id, answer);
    if (request.output.valid()) contents_.set(request.output, answer);
    active_.erase(tag);
    ++ended_;
    arrivals_.ended(request.id, end);
  }

  TraceArrivals arrivals_;
  ContentTokens contents_;
  Engine& engine_;
  EngineClock& clock_;
  const ReplayOptions& options_;
  ReplayRecord record_;
  std::map<std::uint64_t, Running> active_;  // by tag
  std::map<std::uint64_t, std::vector<std::int32_t>> answers_;
  std::uint64_t ended_ = 0;
  std::int64_t refused_ = 0;
  std::string first_refusal_;
};

}  // namespace

Expected<Result> replay(const std::string& trace_path, Engine& engine, EngineClock& clock,
                        const ReplayOptions& options) {
  ContentTokens contents(engine.model().config().vocabulary);
  const Encode nothing = [](std::string_view) { return std::vector<std::int32_t>(); };
  Expected<TraceArrivals> arrivals =
      TraceArrivals::read(trace_path, options.encode ? options.encode : nothing, contents);
  if (!arrivals) return arrivals.error();
  Expected<Result> result =
      Replay(*std::move(arrivals), std::move(contents), engine, clock, options).run();
  if (result) result->trace_path = trace_path;
  return result;
}

}  // namespace scsim::exec
