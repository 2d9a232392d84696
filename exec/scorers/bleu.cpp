#include "exec/scorers/bleu.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "traces/math.h"

namespace scsim::exec {
namespace {

constexpr std::size_t kLongestRun = 4;
constexpr double kSmoothing = 5;  // nltk's default k

using RunCounts = std::map<std::vector<std::string_view>, std::int64_t>;

RunCounts count_runs(std::span<const std::string> words, std::size_t length) {
  RunCounts counts;
  for (std::size_t i = 0; i + length <= words.size(); ++i) {
    const auto run = words.subspan(i, length);
    ++counts[std::vector<std::string_view>(run.begin(), run.end())];
  }
  return counts;
}

}  // namespace

double sentence_bleu(std::span<const std::string> reference,
                     std::span<const std::string> candidate) {
  if (candidate.empty()) return 0;
  const auto num_words = static_cast<double>(candidate.size());
  double log_sum = 0;
  double smoothing = kSmoothing;
  for (std::size_t length = 1; length <= kLongestRun; ++length) {
    const RunCounts expected = count_runs(reference, length);
    std::int64_t same = 0, total = 0;
    for (const auto& [run, count] : count_runs(candidate, length)) {
      total += count;
      const auto found = expected.find(run);
      if (found != expected.end()) same += std::min(count, found->second);
    }
    if (same == 0 && length == 1) return 0;
    double precision = static_cast<double>(same);
    if (same == 0) {
      if (candidate.size() == 1) continue;
      smoothing *= 2;
      precision = stable_log(num_words) / smoothing;
    }
    precision /= static_cast<double>(std::max<std::int64_t>(total, 1));
    log_sum += stable_log(precision) / kLongestRun;
  }
  const double shortness = static_cast<double>(reference.size()) / num_words;
  const double penalty = shortness < 1 ? 1 : stable_exp(1 - shortness);
  return penalty * stable_exp(log_sum);
}

}  // namespace scsim::exec
