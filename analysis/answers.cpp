#include "analysis/answers.h"

#include <algorithm>
#include <cmath>
#include <numeric>
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

// Right answers on each of the profile's accuracy cells, as one draw has them.
std::vector<double> accuracies(const Profile& profile, std::uint64_t draw) {
  std::vector<double> strict;
  for (std::size_t i = 0; i < profile.accuracy.size(); ++i) {
    const AccuracyCell& cell = profile.accuracy[i];
    strict.push_back(cell.strict);
    if (draw == 0) continue;
    Rng rng(draw, "analysis.answers", i);
    const auto n = static_cast<double>(cell.sessions);
    const double right = rng.gamma(cell.strict * n + 0.5, 1);
    const double wrong = rng.gamma((1 - cell.strict) * n + 0.5, 1);
    strict.back() = right / (right + wrong);
  }
  return strict;
}

// Which accuracy cells an answer stands on; each question is looked up once.
class Chances {
 public:
  explicit Chances(const Profile& profile) : profile_(profile) {}

  std::optional<cost_models::AccuracyBetween> of(int method, const std::string& task,
                                                 SessionMode mode, int turn, std::int64_t tokens) {
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
    return known_[key] = cost_models::cells_around(profile_, method, task, mode, turn, length);
  }

 private:
  const Profile& profile_;
  std::map<std::tuple<int, std::string, SessionMode, int, std::int64_t>,
           std::optional<cost_models::AccuracyBetween>>
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
                         const MethodOf& method_of) {
  Chances chances(profile);
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
      group->cells.resize(profile.accuracy.size());
      if (!within) continue;
      ++group->within;
      group->cells[chance->below] += 1 - chance->part;
      group->cells[chance->above] += chance->part;
    }
  }
  for (auto* named : {&methods, &tenants}) {
    for (auto& [name, group] : *named) {
      group.name = name;
      (named == &methods ? answers.methods : answers.tenants).push_back(group);
    }
  }
  return redrawn(std::move(answers), profile, 0);
}

Answers redrawn(Answers answers, const Profile& profile, std::uint64_t draw) {
  const std::vector<double> strict = accuracies(profile, draw);
  const auto rate = [&](AnswerGroup& group) {
    group.correct = std::inner_product(group.cells.begin(), group.cells.end(), strict.begin(), 0.0);
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
