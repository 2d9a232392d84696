#include "exec/weights/config_checks.h"

#include <vector>

namespace scsim::exec {
namespace {

struct Size {
  const char* what;
  std::int64_t value, most;
};

Expected<void> check_sizes(const std::vector<Size>& sizes, const std::string& path) {
  for (const Size& size : sizes) {
    if (size.value < 1 || size.value > size.most) {
      return Error{path + ": the " + size.what + " must be from 1 to " + std::to_string(size.most) +
                   ", found " + std::to_string(size.value)};
    }
  }
  return {};
}

Expected<void> check_mamba(const ModelConfig& config, const std::string& path) {
  const MambaConfig& mamba = config.mamba;
  std::vector<Size> sizes = {{"number of scanned channels", mamba.inner, kMostOfDimension},
                             {"state of a channel", mamba.state, kMostOfDimension},
                             {"convolution's length", mamba.conv_kernel, kMostOfDimension}};
  if (mamba.version == 1) {
    sizes.push_back({"rank of the time steps", mamba.time_step_rank, kMostOfDimension});
  } else {
    sizes.push_back({"number of recurrent heads", mamba.heads, kMostOfDimension});
    sizes.push_back({"dimension of a recurrent head", mamba.head_dim, kMostOfDimension});
    sizes.push_back({"number of groups of recurrent heads", mamba.groups, kMostOfDimension});
  }
  if (const auto checked = check_sizes(sizes, path); !checked) return checked;
  if (mamba.version == 1) return {};
  if (mamba.heads % mamba.groups != 0 || mamba.heads * mamba.head_dim != mamba.inner) {
    return Error{path + ": expected recurrent heads in equal groups that make up the " +
                 std::to_string(mamba.inner) + " channels, found " + std::to_string(mamba.heads) +
                 " heads of " + std::to_string(mamba.head_dim) + " in " +
                 std::to_string(mamba.groups) + " groups"};
  }
  if (!(mamba.time_step_min >= 0 && mamba.time_step_min <= mamba.time_step_max)) {
    return Error{path + ": the limits of the time steps must ascend from 0 on"};
  }
  return {};
}

}  // namespace

Expected<void> check_config(const ModelConfig& config, const std::string& path) {
  const AttentionConfig& attention = config.attention;
  const MlpConfig& mlp = config.mlp;
  const RopeConfig& rope = config.rope;
  const auto fail = [&](const std::string& what) { return Error{path + ": " + what}; };
  std::vector<Size> sizes = {{"hidden size", config.hidden, kMostOfDimension},
                             {"number of layers", config.layers, kMostLayers},
                             {"vocabulary", config.vocabulary, kMostTokens},
                             {"longest context", config.max_positions, kMostTokens}};
  const bool attends = config.attention_layers() > 0;
  if (attends) {
    sizes.insert(sizes.end(),
                 {{"number of query heads", attention.query_heads, kMostOfDimension},
                  {"number of key and value heads", attention.kv_heads, kMostOfDimension},
                  {"head dimension", attention.head_dim, kMostOfDimension},
                  {"intermediate size", mlp.intermediate, kMostOfDimension}});
  }
  if (const auto checked = check_sizes(sizes, path); !checked) return checked;
  if (config.recurrent_layers() > 0) {
    if (const auto checked = check_mamba(config, path); !checked) return checked;
  }
  if (attends && attention.query_heads % attention.kv_heads != 0) {
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
  if (mlp.expert_period < 1 || mlp.expert_offset < 0 || mlp.expert_offset >= mlp.expert_period) {
    return fail("expected experts in one layer of each period of layers, found layer " +
                std::to_string(mlp.expert_offset) + " of " + std::to_string(mlp.expert_period));
  }
  const auto positive = [](double value) { return value > 0 && value < 1e30; };  // NaN is not
  if (!positive(config.norm_epsilon)) return fail("expected the norms' epsilon to be above 0");
  if (attention.sliding_window < 0) return fail("the sliding window must not be negative");
  const bool unrotated = rope.rotary_dim == 0 && config.recurrent_layers() > 0;
  if (unrotated) return {};
  if (rope.rotary_dim < 2 || rope.rotary_dim % 2 != 0 || rope.rotary_dim > attention.head_dim) {
    return fail("rotary embedding turns " + std::to_string(rope.rotary_dim) + " of the " +
                std::to_string(attention.head_dim) +
                " dimensions of a head; expected an even number of them");
  }
  if (!positive(rope.theta) || !positive(rope.factor)) {
    return fail("expected the rotary base and its scaling factor to be above 0");
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
  return {};
}

}  // namespace scsim::exec
