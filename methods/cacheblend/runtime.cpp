#include "methods/runtime.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "methods/cacheblend/share.h"
#include "methods/chunk_reuse.h"
#include "methods/highest.h"

namespace scsim::methods {
namespace {

class CacheBlendRuntime final : public ChunkReuse {
 public:
  explicit CacheBlendRuntime(const MethodParameters& parameters)
      : ChunkReuse(chunk_parameters(parameters)),
        share_(recompute_share(parameters)),
        with_keys_(parameters.at("compare") == 1) {}

  std::optional<std::vector<std::int64_t>> rows_into(std::int64_t,
                                                     std::span<const std::int64_t> positions,
                                                     exec::KvCache& cache) override {
    const auto* state = static_cast<const ChunkState*>(cache.method_state());
    if (state == nullptr || state->onward.empty()) return std::nullopt;
    if (state->onward.size() == positions.size()) return std::nullopt;
    std::vector<std::int64_t> rows;
    auto next = state->onward.begin();
    for (std::size_t i = 0; i < positions.size() && next != state->onward.end(); ++i) {
      if (positions[i] != *next) continue;
      rows.push_back(static_cast<std::int64_t>(i));
      ++next;
    }
    return rows;
  }

 private:
  // Chooses what goes into the next layer, among the rows that came to this one.
  void attended(exec::LayerStep& step, ChunkState& state) override {
    if (step.layer + 1 == step.num_layers) return;
    const double share = share_.into(step.layer + 1, step.num_layers);
    if (share == share_.into(step.layer, step.num_layers)) return;  // as many as before
    const exec::MeasuredStage stage(step.measure, Stage::kRetrieval);
    const exec::MeasuredPart part(step.measure, "comparison");
    std::vector<std::int64_t> positions(step.positions.begin(), step.positions.end());
    if (positions.empty()) {
      positions.resize(static_cast<std::size_t>(step.q.size(0)));
      std::iota(positions.begin(), positions.end(), step.first_position);
    }
    const std::int64_t end = positions.back() + 1;
    std::vector<std::int64_t> compared;  // rows in chunks
    std::vector<float> deviations;
    std::int64_t in_chunks = 0;  // of all tokens of the step, whether or not they came this far
    auto row = positions.begin();
    state.onward.clear();
    for (const Chunk& chunk : state.chunks) {
      const exec::TokenRange here{.begin = std::max(step.first_position, chunk.at.begin),
                                  .end = std::min(end, chunk.at.end)};
      if (here.begin >= here.end) continue;
      in_chunks += here.end - here.begin;
      for (; *row < here.begin; ++row) state.onward.push_back(*row);
      const auto first = row;
      row = std::lower_bound(row, positions.end(), here.end);
      for (const float of : differences(step, chunk, here, std::span(first, row), positions)) {
        deviations.push_back(of);
      }
      compared.insert(compared.end(), first, row);
    }
    state.onward.insert(state.onward.end(), row, positions.end());
    for (const std::int32_t i : highest(deviations, rows_of(share, in_chunks))) {
      state.onward.push_back(compared[static_cast<std::size_t>(i)]);
    }
    // The last row of the step goes on whatever it is.
    if (std::ranges::find(state.onward, end - 1) == state.onward.end()) {
      state.onward.push_back(end - 1);
    }
    std::ranges::sort(state.onward);
  }

  // Of rows of a chunk: how far what was computed is from what was stored.
  std::vector<float> differences(const exec::LayerStep& step, const Chunk& chunk,
                                 exec::TokenRange here, std::span<const std::int64_t> rows,
                                 std::span<const std::int64_t> positions) const {
    if (rows.empty()) return {};
    const auto [keys, values] = stored(step, chunk, here);
    const std::int64_t first = rows.data() - positions.data(), count = std::ssize(rows);
    at::Tensor index = at::empty({count}, at::kLong);
    std::ranges::transform(rows, index.mutable_data_ptr<std::int64_t>(),
                           [&](std::int64_t at) { return at - here.begin; });
    index = index.to(keys.device());
    const auto squared = [&](const at::Tensor& computed, const at::Tensor& kept) {
      const at::Tensor apart =
          computed.narrow(0, first, count).to(at::kFloat) - kept.index_select(0, index);
      return apart.square().sum({1, 2});
    };
    at::Tensor sums = squared(step.v, values);
    if (with_keys_) sums += squared(step.k, keys);
    sums = sums.cpu().contiguous();
    const float* numbers = sums.const_data_ptr<float>();
    return {numbers, numbers + count};
  }

  RecomputeShare share_;
  bool with_keys_;
};

}  // namespace

MethodRuntimeEntry cacheblend_runtime() {
  return {.name = "cacheblend",
          .make = [](const MethodParameters& given) -> std::unique_ptr<exec::MethodRuntime> {
            return std::make_unique<CacheBlendRuntime>(given);
          }};
}

}  // namespace scsim::methods
