#include "methods/a_shape/pattern.h"

#include <algorithm>

namespace scsim::methods {
namespace {

// Pairs of rows [0, to) that attend everything before them.
double triangle(std::int64_t to) {
  const auto n = static_cast<double>(to);
  return n * (n + 1) / 2;
}

class StaticContract final : public DenseContract {
 public:
  explicit StaticContract(const StaticPattern& pattern) : pattern_(pattern) {}

  // Chunks of a first prompt are told from prompts behind it by nobody here: `cached` tokens are
  // taken for an earlier prompt's.
  PairBounds prefill_pairs(const AttentionLayer& layer, Tokens fresh,
                           Tokens cached) const override {
    if (!pattern_.applies(layer.layer, cached.value() == 0)) {
      const double all = causal_pairs(layer, fresh, cached);
      return {.least = all, .most = all};
    }
    const std::int64_t from = cached.value(), to = from + fresh.value();
    const std::int64_t dense = std::max(from, to - pattern_.last);
    const double pairs = static_cast<double>(layer.query_heads) *
                         (a_shape_pairs(pattern_.init, pattern_.local, from, dense) + triangle(to) -
                          triangle(dense));
    return {.least = pairs, .most = pairs};
  }
  // In chunks nobody knows which rows will be the last before they are there.
  bool allows_chunked_prefill() const override { return pattern_.last == 0; }
  // Whoever begins with this prefix would have computed other keys behind it had it come as a part
  // of a longer prompt.
  ReuseClass reuse(SessionMode) const override { return ReuseClass::kLossy; }

 private:
  StaticPattern pattern_;
};

}  // namespace

double a_shape_pairs(std::int64_t init, std::int64_t local, std::int64_t from, std::int64_t to) {
  // Rows below init + local - 1 attend all of their p + 1 keys.
  const std::int64_t whole = std::clamp(init + local - 1, from, std::max(from, to));
  return triangle(whole) - triangle(from) +
         static_cast<double>(std::max<std::int64_t>(0, to - whole)) *
             static_cast<double>(init + local);
}

std::vector<MethodParameter> static_pattern_parameters(bool tri) {
  constexpr double kMost = 1 << 24;
  std::vector<MethodParameter> parameters = {
      {.name = "init",
       .default_value = 128,
       .min = 0,
       .max = kMost,
       .sentence = "first tokens that every row attends"},
      {.name = "local",
       .default_value = 3968,
       .min = 1,
       .max = kMost,
       .sentence = "last tokens that a row attends, its own included"},
      {.name = "follow_ups",
       .default_value = 0,
       .min = 0,
       .max = 1,
       .sentence = "prompts behind the first one: dense as released, or sparse too",
       .choices = {"dense", "sparse"}}};
  if (!tri) return parameters;
  parameters.push_back({.name = "last",
                        .default_value = 100,
                        .min = 0,
                        .max = kMost,
                        .sentence = "rows at the prompt's end that attend everything"});
  parameters.push_back({.name = "dense_layers",
                        .default_value = 0,
                        .min = 0,
                        .max = 1024,
                        .sentence = "first layers that attend everything"});
  return parameters;
}

StaticPattern static_pattern(const MethodParameters& parameters) {
  const auto number = [&](const char* name) {
    const auto found = parameters.numbers.find(name);
    return found == parameters.numbers.end() ? 0 : static_cast<std::int64_t>(found->second);
  };
  return {.init = number("init"),
          .local = number("local"),
          .last = number("last"),
          .dense_layers = number("dense_layers"),
          .sparse_follow_ups = number("follow_ups") == 1};
}

std::unique_ptr<KvContract> make_static_contract(const StaticPattern& pattern) {
  return std::make_unique<StaticContract>(pattern);
}

}  // namespace scsim::methods
