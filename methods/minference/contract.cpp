// MInference: each head's prefill attends by its own sparse pattern, whose indices are estimated
// from the prompt at hand; keys and values of all tokens are kept and decoding is dense. See
// README.md beside this.
#include "methods/contract.h"

#include <algorithm>

#include "methods/a_shape/pattern.h"
#include "methods/minference/settings.h"

namespace scsim::methods {
namespace {

class MinferenceContract final : public DenseContract {
 public:
  explicit MinferenceContract(MinferenceSettings settings) : settings_(std::move(settings)) {}

  PairBounds prefill_pairs(const AttentionLayer& layer, Tokens fresh,
                           Tokens cached) const override {
    if (!settings_.applies(layer.layer, cached.value() == 0)) {
      const double all = causal_pairs(layer, fresh, cached);
      return {.least = all, .most = all};
    }
    const RowRange rows{.first = cached.value(), .count = fresh.value()};
    PairBounds pairs;
    for (std::int64_t h = 0; h < layer.query_heads; ++h) {
      const PairBounds head = head_pairs(settings_.pattern(layer.layer, h), rows);
      pairs.least += head.least;
      pairs.most += head.most;
    }
    return pairs;
  }
  double prefill_pairs_given(const AttentionLayer& layer, Tokens fresh, Tokens cached,
                             const RecordedSelection& selection) const override {
    const RowRange rows{.first = cached.value(), .count = fresh.value()};
    double pairs = 0;
    for (std::size_t h = 0; h < selection.size(); ++h) {
      KeyLists lists;
      add_chosen(lists, rows, settings_.pattern(layer.layer, static_cast<std::int64_t>(h)),
                 selection[h]);
      pairs += listed_pairs(lists, 0, rows);
    }
    return pairs;
  }
  // An index made of the first chunk would not be that of the prompt.
  bool allows_chunked_prefill() const override { return false; }
  // The last queries decide what the context attends: in a conversation they are the question.
  ReuseClass reuse(SessionMode mode) const override {
    return mode == SessionMode::kMultiTurn ? ReuseClass::kQueryBound : ReuseClass::kLossy;
  }

 private:
  PairBounds head_pairs(const HeadPattern& pattern, const RowRange& rows) const {
    if (settings_.attends_everything(pattern, rows.keys())) return exactly(dense_pairs(rows));
    switch (pattern.kind) {
      case PatternKind::kAShape:
        return exactly(a_shape_pairs(pattern.vertical, std::max<std::int64_t>(1, pattern.slash),
                                     rows.first, rows.keys()));
      case PatternKind::kBlockSparse:
        return block_pairs(rows);
      case PatternKind::kVerticalSlash:
        return vertical_slash_pairs(pattern, rows);
    }
    return {};
  }
  static PairBounds exactly(double pairs) { return {.least = pairs, .most = pairs}; }
  static double dense_pairs(const RowRange& rows) {
    return a_shape_pairs(rows.keys(), 0, rows.first, rows.keys());
  }

  // At least the nearest diagonals and the first columns, which are forced; at most 64 keys a
  // diagonal and one a column.
  PairBounds vertical_slash_pairs(const HeadPattern& pattern, const RowRange& rows) const {
    const std::int64_t columns = settings_.columns(pattern, rows.keys());
    const std::int64_t diagonals = settings_.diagonals(pattern, rows.keys());
    const std::int64_t first = std::min(columns, settings_.forced_columns);
    const std::int64_t nearest =
        std::max<std::int64_t>(1, std::min(diagonals, settings_.forced_diagonals));
    PairBounds pairs;
    for (std::int64_t p = rows.first; p < rows.keys(); ++p) {
      const std::int64_t block_end = rows.first + ((p - rows.first) / kBlock + 1) * kBlock;
      const std::int64_t lowest =
          std::clamp<std::int64_t>(block_end - (nearest - 1) - kBlock, 0, p + 1);
      pairs.least += static_cast<double>(p + 1 - lowest + std::min(first, lowest));
      pairs.most += static_cast<double>(std::min(p + 1, columns + diagonals * kBlock));
    }
    return pairs;
  }

  // A block of rows has the key blocks up to its last row to choose from. Row p sees p + 1 - 64 b
  // keys of block b, or all 64 or none: the least of the last ones, the most of the first.
  PairBounds block_pairs(const RowRange& rows) const {
    PairBounds pairs;
    for (std::int64_t p = rows.first; p < rows.keys(); ++p) {
      const std::int64_t begin = rows.first + (p - rows.first) / kBlock * kBlock;
      const std::int64_t available = key_blocks(begin, rows.keys());
      const std::int64_t chosen = std::min(settings_.blocks, available);
      pairs.least += static_cast<double>(
          std::clamp<std::int64_t>(p + 1 - (available - chosen) * kBlock, 0, chosen * kBlock));
      pairs.most += static_cast<double>(std::min(p + 1, chosen * kBlock));
    }
    return pairs;
  }

  MinferenceSettings settings_;
};

std::vector<MethodParameter> parameters() {
  constexpr double kMost = 1 << 24;
  return {{.name = "patterns",
           .sentence = "file with the pattern of each head, as published or from search-patterns",
           .is_text = true},
          {.name = "pattern",
           .default_value = 0,
           .min = 0,
           .max = 2,
           .sentence = "of heads that no file speaks of",
           .choices = {"vertical_slash", "a_shape", "block_sparse"}},
          {.name = "vertical",
           .default_value = 1000,
           .min = 0,
           .max = kMost,
           .sentence = "columns of such a head; of A-shape, its first tokens"},
          {.name = "slash",
           .default_value = 6096,
           .min = 0,
           .max = kMost,
           .sentence = "diagonals of such a head; of A-shape, its local tokens"},
          {.name = "ratio",
           .default_value = 1,
           .min = 0,
           .max = 64,
           .sentence = "both sizes of every head are multiplied by it"},
          {.name = "blocks",
           .default_value = 100,
           .min = 1,
           .max = kMost,
           .sentence = "blocks of 64 keys that 64 rows of a block-sparse head attend"},
          {.name = "window",
           .default_value = 64,
           .min = 1,
           .max = 4096,
           .sentence = "last queries of the prompt that columns and diagonals are scored by"},
          {.name = "forced_columns",
           .default_value = 30,
           .min = 0,
           .max = kMost,
           .sentence = "first columns that are always chosen"},
          {.name = "forced_diagonals",
           .default_value = 100,
           .min = 1,
           .max = kMost,
           .sentence = "nearest diagonals that are always chosen, the query's own key included"},
          {.name = "least_diagonals",
           .default_value = 50,
           .min = 1,
           .max = kMost,
           .sentence = "diagonals that even a head of fewer has"},
          {.name = "dense_layers",
           .default_value = 0,
           .min = 0,
           .max = 1024,
           .sentence = "first layers that attend everything"},
          {.name = "follow_ups",
           .default_value = 0,
           .min = 0,
           .max = 1,
           .sentence = "prompts behind the first one: dense as released, or with an index of their "
                       "own",
           .choices = {"dense", "sparse"}}};
}

}  // namespace

MethodEntry minference_method() {
  return {.name = "minference",
          .sentence = "dynamic sparse prefill, a pattern a head: vertical-slash, A-shape or blocks",
          .category = "sparse attention, dynamic",
          .source = "Jiang et al. 2024, arXiv 2407.02490; github.com/microsoft/MInference",
          .parameters = parameters(),
          .make_contract = [](const MethodParameters& given) -> std::unique_ptr<KvContract> {
            return std::make_unique<MinferenceContract>(minference_settings(given));
          },
          .presets = {{.name = "paper",
                       .sentence = "the last queries alone decide, but for each token's own key",
                       .numbers = {{"forced_columns", 0},
                                   {"forced_diagonals", 1},
                                   {"least_diagonals", 1}}},
                      {.name = "released",
                       .sentence = "as the package runs it: 30 columns, 100 diagonals forced",
                       .numbers = {{"forced_columns", 30},
                                   {"forced_diagonals", 100},
                                   {"least_diagonals", 50}}},
                      {.name = "released_vllm",
                       .sentence = "as its vLLM path runs it: 30 diagonals forced",
                       .numbers = {{"forced_columns", 30},
                                   {"forced_diagonals", 30},
                                   {"least_diagonals", 50}}}},
          .small = {"preset=paper,vertical=8,slash=5",
                    "vertical=20,slash=60,forced_columns=4,forced_diagonals=10,follow_ups=sparse",
                    "vertical=40,slash=3,forced_diagonals=2,least_diagonals=1,window=7",
                    "pattern=a_shape,vertical=4,slash=20", "pattern=block_sparse,blocks=1",
                    "pattern=block_sparse,blocks=2,follow_ups=sparse,dense_layers=1"},
          .lossless = {"slash=4096", "vertical=4096,slash=1", "dense_layers=64",
                       "pattern=a_shape,slash=4096", "pattern=block_sparse,blocks=64"},
          .check = check_minference};
}

}  // namespace scsim::methods
