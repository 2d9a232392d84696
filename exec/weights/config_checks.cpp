#include "exec/weights/config_checks.h"

namespace scsim::exec {

Expected<void> check_config(const ModelConfig& config, const std::string& path) {
  const AttentionConfig& attention = config.attention;
  const MlpConfig& mlp = config.mlp;
  const RopeConfig& rope = config.rope;
  const auto fail = [&](const std::string& what) { return Error{path + ": " + what}; };
  const struct {
    const char* what;
    std::int64_t value, most;
  } sizes[] = {{"hidden size", config.hidden, kMostOfDimension},
               {"number of layers", config.layers, kMostLayers},
               {"vocabulary", config.vocabulary, kMostTokens},
               {"longest context", config.max_positions, kMostTokens},
               {"number of query heads", attention.query_heads, kMostOfDimension},
               {"number of key and value heads", attention.kv_heads, kMostOfDimension},
               {"head dimension", attention.head_dim, kMostOfDimension},
               {"intermediate size", mlp.intermediate, kMostOfDimension}};
  for (const auto& size : sizes) {
    if (size.value < 1 || size.value > size.most) {
      return fail(std::string("the ") + size.what + " must be from 1 to " +
                  std::to_string(size.most) + ", found " + std::to_string(size.value));
    }
  }
  if (attention.query_heads % attention.kv_heads != 0) {
    return fail(std::to_string(attention.query_heads) + " query heads are no multiple of the " +
                std::to_string(attention.kv_heads) + " key and value heads");
  }
  if (mlp.experts < 0 || mlp.experts > kMostExperts || mlp.experts_per_token > mlp.experts ||
      (mlp.experts > 0 && mlp.experts_per_token < 1)) {
    return fail("expected up to " + std::to_string(kMostExperts) +
                " experts, at least one of them for a token, found " +
                std::to_string(mlp.experts_per_token) + " of " + std::to_string(mlp.experts));
  }
  if (config.layers * mlp.experts > kMostExpertsOfAllLayers) {
    return fail("expected up to " + std::to_string(kMostExpertsOfAllLayers) +
                " experts in all layers, found " + std::to_string(config.layers * mlp.experts));
  }
  if (rope.rotary_dim < 2 || rope.rotary_dim % 2 != 0 || rope.rotary_dim > attention.head_dim) {
    return fail("rotary embedding turns " + std::to_string(rope.rotary_dim) + " of the " +
                std::to_string(attention.head_dim) +
                " dimensions of a head; expected an even number of them");
  }
  const auto positive = [](double value) { return value > 0 && value < 1e30; };  // NaN is not
  if (!positive(rope.theta) || !positive(rope.factor) || !positive(config.norm_epsilon)) {
    return fail(
        "expected the rotary base, its scaling factor and the norms' epsilon to be above 0");
  }
  const bool stretched =
      rope.scaling == RopeConfig::Scaling::kLlama3 || rope.scaling == RopeConfig::Scaling::kYarn;
  if (stretched && !positive(rope.original_max_positions)) {
    return fail("the rotary scaling needs the original number of positions, above 0");
  }
  if (!rope.divisors.empty() && std::ssize(rope.divisors) != rope.rotary_dim / 2) {
    return fail("expected " + std::to_string(rope.rotary_dim / 2) +
                " divisors of rotary frequencies, found " + std::to_string(rope.divisors.size()));
  }
  if (attention.sliding_window < 0) return fail("the sliding window must not be negative");
  return {};
}

}  // namespace scsim::exec
