#include "methods/runtime.h"

#include <algorithm>

#include "methods/chunk_reuse.h"

namespace scsim::methods {
namespace {

class EpicRuntime final : public ChunkReuse {
 public:
  explicit EpicRuntime(const MethodParameters& parameters)
      : ChunkReuse(chunk_parameters(parameters)),
        first_(static_cast<std::int64_t>(parameters.at("first"))) {}

  std::optional<std::vector<std::int64_t>> rows_into(std::int64_t layer,
                                                     std::span<const std::int64_t> positions,
                                                     exec::KvCache& cache) override {
    const auto* state = static_cast<const ChunkState*>(cache.method_state());
    if (layer > 0 || state == nullptr) return std::nullopt;
    std::vector<std::int64_t> rows;
    for (std::size_t i = 0; i < positions.size(); ++i) {
      const Chunk* chunk = state->chunk_of(positions[i]);
      if (chunk != nullptr && positions[i] - chunk->at.begin >= first_ &&
          i + 1 < positions.size()) {
        continue;
      }
      rows.push_back(static_cast<std::int64_t>(i));
    }
    if (rows.size() == positions.size()) return std::nullopt;
    return rows;
  }

 private:
  std::int64_t first_;
};

}  // namespace

MethodRuntimeEntry epic_runtime() {
  return {.name = "epic",
          .make = [](const MethodParameters& given) -> std::unique_ptr<exec::MethodRuntime> {
            return std::make_unique<EpicRuntime>(given);
          }};
}

}  // namespace scsim::methods
