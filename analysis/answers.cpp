#include "analysis/answers.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "analysis/request_times.h"
#include "analysis/statistics.h"
#include "cost_models/fit/fit_profile.h"
#include "traces/report/text_table.h"
#include "traces/rng.h"
#include "traces/text.h"

namespace scsim::analysis {
namespace {

constexpr double kBeyond = 1.1;  // the longest and shortest measured length, and so much beyond

// The profile's accuracies as one draw has them.
std::vector<AccuracyCell> drawn(const Profile& profile, std::uint64_t draw) {
  std::vector<AccuracyCell> cells = profile.accuracy;
  if (draw == 0) return cells;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    Rng rng(draw, "analysis.answers", i);
    const auto n = static_cast<double>(cells[i].sessions);
    const double right = rng.gamma(cells[i].strict * n + 0.5, 1);
    const double wrong = rng.gamma((1 - cells[i].strict) * n + 0.5, 1);
    cells[i].strict = right / (right + wrong);
  }
  return cells;
}

class Chances {
 public:
  Chances(const Profile& profile, std::uint64_t draw) : profile_(profile) {
    profile_.accuracy = drawn(profile, draw);
  }

  std::optional<double> of(int method, const std::string& task, SessionMode mode, int turn,
                           std::int64_t tokens) {
    const auto key = std::tuple(method, task, mode, turn, tokens);
    const auto known = known_.find(key);
    if (known != known_.end()) return known->second;
    double length = static_cast<double>(tokens), shortest = 1e18, longest = 0;
    for (const AccuracyCell& cell : profile_.accuracy) {
      if (cell.method != method || cell.task != task || cell.mode != mode || cell.turn != turn)
        continue;
      shortest = std::min(shortest, static_cast<double>(cell.tokens));
      longest = std::max(longest, static_cast<double>(cell.tokens));
    }
    if (length < shortest && length * kBeyond >= shortest) length = shortest;
    if (length > longest && length <= longest * kBeyond) length = longest;
    const auto accuracy = cost_models::accuracy_at(profile_, method, task, mode, turn, length);
    return known_[key] = accuracy ? std::optional(accuracy->strict) : std::nullopt;
  }

 private:
  Profile profile_;
  std::map<std::tuple<int, std::string, SessionMode, int, std::int64_t>, std::optional<double>>
      known_;
};

// Where a request stands in its session: how long the first prompt was, and whether this prompt is
// long enough to contain the turn before it.
struct Place {
  std::int64_t first_prompt = 0, seen = 0;  // seen: prompt and answer of the last turn
  bool continues = false;
};

double hours(const Result& result, const Window& window) {
  double gpus = 0;
  for (const EngineResult& engine : result.engines) gpus += engine.gpus;
  return gpus * window.seconds() / 3600;
}

}  // namespace

Answers expected_answers(const Result& result, const Window& window, const Profile& profile,
                         const MethodOf& method_of, std::uint64_t draw) {
  Chances chances(profile, draw);
  Answers answers;
  answers.all.name = "all";
  answers.gpu_hours = hours(result, window);
  if (std::ranges::all_of(result.engines,
                          [](const EngineResult& e) { return e.price_per_gpu_hour > 0; })) {
    answers.dollars = 0;
    for (const EngineResult& engine : result.engines)
      *answers.dollars += engine.gpus * engine.price_per_gpu_hour * window.seconds() / 3600;
  }
  std::map<std::string, AnswerGroup> methods, tenants;
  std::map<std::uint64_t, Place> sessions;
  for (std::size_t i = 0; i < result.requests.size(); ++i) {
    const RequestResult& request = result.requests[i];
    Place& place = sessions[request.session];
    place.continues = request.turn > 0 && place.seen > 0 && request.prompt_tokens >= place.seen;
    if (!place.continues) place.first_prompt = request.prompt_tokens;
    place.seen = request.prompt_tokens + request.output_tokens;
    if (!window.measures(request)) continue;

    const AnsweredBy by = method_of(request);
    const std::string task =
        request.task < result.tables.tasks.size() ? result.tables.tasks[request.task] : "";
    const bool others_cache = !by.exact && !place.continues && i < result.fetches.size() &&
                              2 * result.fetches[i].found_lossy_tokens > request.prompt_tokens;
    const bool alone = !place.continues && (others_cache || (by.exact && request.turn > 0));
    const SessionMode mode = alone ? SessionMode::kMultiRequest : SessionMode::kMultiTurn;
    const int turn = by.exact || place.continues ? static_cast<int>(request.turn) : 0;
    const auto chance =
        by.place ? chances.of(*by.place, task, mode, turn, place.first_prompt) : std::nullopt;
    if (!chance) {
      ++answers.left_out[(task.empty() ? "no task" : task) + ", " + by.text];
      continue;
    }
    const bool within = targets_met(request, slo_of(result, request)).all();
    const std::string tenant = request.tenant < result.tables.tenants.size()
                                   ? result.tables.tenants[request.tenant].name
                                   : std::to_string(request.tenant);
    for (AnswerGroup* group : {&answers.all, &methods[by.text], &tenants[tenant]}) {
      ++group->requests;
      group->within += within ? 1 : 0;
      group->correct += within ? *chance : 0;
    }
  }
  for (auto* named : {&methods, &tenants}) {
    for (auto& [name, group] : *named) {
      group.name = name;
      (named == &methods ? answers.methods : answers.tenants).push_back(group);
    }
  }
  const auto rate = [&](AnswerGroup& group) {
    group.per_gpu_hour = answers.gpu_hours > 0 ? group.correct / answers.gpu_hours : 0;
    group.low = group.high = group.per_gpu_hour;
  };
  rate(answers.all);
  std::ranges::for_each(answers.methods, rate);
  std::ranges::for_each(answers.tenants, rate);
  return answers;
}

void set_intervals(Answers& answers, const std::vector<Answers>& draws) {
  if (draws.empty()) return;
  const auto set = [](AnswerGroup& group, std::vector<double> values) {
    if (values.empty()) return;
    group.low = quantile(values, 0.025);
    group.high = quantile(values, 0.975);
  };
  const auto of_groups = [&](std::vector<AnswerGroup> Answers::*which) {
    for (AnswerGroup& group : answers.*which) {
      std::vector<double> values;
      for (const Answers& draw : draws) {
        const auto found = std::ranges::find(draw.*which, group.name, &AnswerGroup::name);
        if (found != (draw.*which).end()) values.push_back(found->per_gpu_hour);
      }
      set(group, std::move(values));
    }
  };
  std::vector<double> all;
  for (const Answers& draw : draws) all.push_back(draw.all.per_gpu_hour);
  set(answers.all, std::move(all));
  of_groups(&Answers::methods);
  of_groups(&Answers::tenants);
}

namespace {

std::string amount(double value) {
  return value < 100 ? format_fixed(value, 1)
                     : format_integer(static_cast<std::int64_t>(std::llround(value)));
}

std::string interval(const AnswerGroup& group, double divisor) {
  return amount(group.per_gpu_hour / divisor) + " [" + amount(group.low / divisor) + ", " +
         amount(group.high / divisor) + "]";
}

}  // namespace

std::string answers_text(const Answers& answers) {
  const AnswerGroup& all = answers.all;
  std::string text;
  if (all.requests > 0) {
    text = interval(all, 1) + " correct answers within the SLO per GPU-hour";
    if (answers.dollars && *answers.dollars > 0)
      text += ", " + interval(all, *answers.dollars / answers.gpu_hours) + " per dollar";
    text += ": of " + format_integer(all.requests) + " requests " + format_integer(all.within) +
            " finished within their targets, of which " + amount(all.correct) +
            " are expected to be right";
    text += std::string("; in brackets 95 %, with the error of the measured accuracy") +
            (answers.costs_drawn ? " and costs" : "");
  }
  std::int64_t count = 0;
  std::string tasks;
  for (const auto& [name, requests] : answers.left_out) {
    count += requests;
    tasks += (tasks.empty() ? "" : "; ") + name + " (" + format_integer(requests) + ")";
  }
  if (count > 0)
    text += (text.empty() ? "" : ". ") + std::string("Accuracy unknown and left out: ") +
            format_integer(count) + " requests: " + tasks;
  return text;
}

std::string answers_table(const Answers& answers) {
  if (answers.methods.size() < 2 && answers.tenants.size() < 2) return "";
  TextTable table({"answers", "requests", "within SLO", "right of those", "per GPU-hour, 95 %"});
  const auto add = [&](const AnswerGroup& group) {
    table.add(
        {shortened(group.name, 40), format_integer(group.requests),
         format_percent(static_cast<double>(group.within) /
                        static_cast<double>(std::max<std::int64_t>(group.requests, 1))),
         group.within > 0 ? format_percent(group.correct / static_cast<double>(group.within)) : "-",
         interval(group, 1)});
  };
  if (answers.methods.size() > 1) std::ranges::for_each(answers.methods, add);
  if (answers.tenants.size() > 1) std::ranges::for_each(answers.tenants, add);
  return table.text(2);
}

}  // namespace scsim::analysis
