#include "methods/snapkv/window_vote.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <optional>
#include <span>
#include <vector>

#include "exec/api/attention.h"
#include "methods/highest.h"
#include "methods/last_queries.h"

namespace scsim::methods {

at::Tensor pooled_votes(const at::Tensor& weights, const WindowVote& vote, std::int64_t kv_heads) {
  const std::int64_t tokens = weights.size(1), reach = vote.kernel / 2;
  const at::Tensor rows = weights.unsqueeze(0);
  at::Tensor votes = vote.pooling == WindowPooling::kMean
                         ? at::avg_pool1d(rows, vote.kernel, 1, reach)
                         : at::max_pool1d(rows, vote.kernel, 1, reach);
  votes = votes[0].narrow(1, 0, tokens);  // an even kernel gives one more
  if (vote.group == GroupVote::kEach) return votes;
  votes = votes.view({kv_heads, -1, tokens});
  return vote.group == GroupVote::kMean ? votes.mean(1) : votes.amax(1);
}

bool WindowVoteRuntime::compress(exec::LayerStep& step) {
  if (!step.first_prefill && !vote_.at_every_append) return true;
  const at::Tensor queries = last_queries(step, vote_.window);
  if (!step.last_chunk) return true;
  exec::KvCache& cache = step.cache;
  const std::int64_t most = most_kept(step, step.first_position + step.q.size(0));
  const std::int64_t held = cache.length(step.layer, 0);  // of all heads of the layer
  // Behind the model's own window nothing is attended, and it is told by counting what is held.
  if (held <= most || step.sliding_window > 0) return true;

  const std::int64_t window = std::min(queries.size(0), most);
  at::Tensor votes;
  {
    const std::optional<exec::CacheView> view = cache.view(step.layer, step.measure);
    if (!view) return false;
    const at::Tensor weights = exec::score_keys(step, *view, queries).columns;
    votes = pooled_votes(weights.narrow(1, 0, held - window), vote_, step.k.size(1)).cpu();
  }
  if (vote_.group == GroupVote::kEach) cache.expand_heads(step.layer, step.q.size(1));
  votes = votes.contiguous();
  for (std::int64_t h = 0; h < cache.heads(step.layer); ++h) {
    const std::span<const float> of_head(votes.const_data_ptr<float>() + h * votes.size(1),
                                         static_cast<std::size_t>(votes.size(1)));
    std::vector<std::int32_t> kept = highest(of_head, most - window);
    for (std::int64_t i = held - window; i < held; ++i) {
      kept.push_back(static_cast<std::int32_t>(i));
    }
    if (!cache.keep(step.layer, h, kept, step.measure)) return false;
  }
  return true;
}

}  // namespace scsim::methods
