// The exact index, which is none: every key is multiplied with every query.
#include <algorithm>

#include "exec/api/largest.h"
#include "methods/retrieval_attention/key_index.h"
#include "traces/check.h"

namespace scsim::methods {
namespace {

class FlatIndex final : public KeyIndex {
 public:
  std::unique_ptr<KeyIndex> clone() const override { return std::make_unique<FlatIndex>(*this); }
  std::int64_t keys() const override { return keys_; }
  std::int64_t bytes() const override { return 0; }
  bool looks_at_all() const override { return true; }
  void build(const KeyRows&, std::int64_t count, const Queries&) override { keys_ = count; }
  void extend(const KeyRows&, std::int64_t count) override { keys_ = count; }

  void search(const KeyRows& rows, const Queries& queries, std::int64_t k,
              std::span<std::vector<std::int32_t>> found, std::int64_t& looked_at) const override {
    std::vector<float> scores(static_cast<std::size_t>(queries.count * keys_)), scratch;
    multiply_all(rows, keys_, queries, scores.data());
    looked_at += queries.count * keys_;
    for (std::int64_t i = 0; i < queries.count; ++i) {
      exec::append_largest(scores.data() + i * keys_, keys_, k, found[static_cast<std::size_t>(i)],
                           scratch);
    }
  }

 private:
  std::int64_t keys_ = 0;
};

}  // namespace

std::unique_ptr<KeyIndex> make_flat_index() { return std::make_unique<FlatIndex>(); }

std::unique_ptr<KeyIndex> make_index(const RetrievalOptions& options) {
  switch (options.index) {
    case IndexKind::kGraph:
      return make_graph_index(options);
    case IndexKind::kFlat:
      return make_flat_index();
    case IndexKind::kHnsw:
      return make_hnsw_index(options);
  }
  return nullptr;
}

void multiply_all(const KeyRows& rows, std::int64_t count, const Queries& queries, float* scores) {
  const exec::CpuKernels& kernels = exec::cpu_kernels();
  const std::int64_t dim = rows.head.head_dim, page_tokens = rows.head.page_tokens;
  for (std::int64_t from = 0; from < count;) {  // the keys of a page lie one behind another
    const std::int64_t left = page_tokens - (rows.first + from) % page_tokens;
    const std::int64_t part = std::min(left, count - from);
    kernels.dot_rows(queries.rows, queries.count, dim, rows[from], part, dim, nullptr,
                     scores + from, count);
    from += part;
  }
}

}  // namespace scsim::methods
