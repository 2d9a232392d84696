// Where prompts came from: requests by the place that most of their prompt's tokens came from in
// the real run, and what their first token took in both.
#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/request_times.h"
#include "analysis/statistics.h"
#include "analysis/validation.h"

namespace scsim::analysis {
namespace {

// "computed", "engine", or a tier's name.
std::string path_of(const Result& run, const RequestResult& request) {
  const auto number = static_cast<std::size_t>(&request - run.requests.data());
  std::int64_t rest = request.prompt_tokens - request.found_tokens, most = request.found_tokens;
  std::string from = "engine";
  for (std::size_t tier = 0; tier < run.tiers.size() && number < run.fetches.size(); ++tier) {
    const std::int64_t tokens = run.fetches[number].tokens[tier];
    rest -= tokens;
    if (tokens > most) most = tokens, from = run.tiers[tier].name;
  }
  return rest > most ? "computed" : from;
}

}  // namespace

std::vector<ValidatedPath> validated_paths(const std::vector<const Result*>& runs,
                                           const Matched& matched) {
  struct Sum {
    std::vector<std::vector<double>> ttft;  // by run
    std::int64_t same = 0;
  };
  std::map<std::string, Sum> by_path;
  for (const auto& requests : matched) {
    const std::string path = path_of(*runs[1], *requests[1]);
    Sum& sum = by_path[path];
    sum.ttft.resize(runs.size());
    sum.same += path_of(*runs[0], *requests[0]) == path ? 1 : 0;
    for (std::size_t run = 0; run < runs.size(); ++run)
      sum.ttft[run].push_back(ttft(*requests[run]).value_or(0));
  }
  std::vector<ValidatedPath> paths;
  for (auto& [name, sum] : by_path) {
    ValidatedPath path{.name = name, .requests = std::ssize(sum.ttft[0]), .same = sum.same};
    path.simulated = quantile(sum.ttft[0], 0.5);
    std::vector<double> real;
    for (std::size_t run = 1; run < runs.size(); ++run)
      real.push_back(quantile(sum.ttft[run], 0.5));
    path.real = quantile(real, 0.5);
    if (real.size() > 1 && path.real > 0) {
      path.spread = 0;
      for (const double value : real)
        path.spread = std::max(*path.spread, std::abs(value - path.real) / path.real);
    }
    paths.push_back(std::move(path));
  }
  std::ranges::stable_sort(paths, {}, &ValidatedPath::real);
  return paths;
}

}  // namespace scsim::analysis
