// MInference's offline search: which pattern suits each head of a model, found on one long prompt.
//
//   PatternSearch search({.criterion = SearchCriterion::kRecall}, {}, after_layer);
//   model.prefill(tokens, cache, search, measure);      // dense; each head is looked at on the way
//   write_file("patterns.json", head_patterns_json(search.found()));
//
// Both of the published searches. `kRecall` (the paper's): the share of the full attention that the
// pattern covers, a mean over the rows from `first_row` on; candidates A-shape (100, 800),
// vertical-slash (30, 800), (100, 750), (500, 700), (3500, 100), and an eighth of the blocks of 32;
// the largest wins. `kOutput` (its second version): how many numbers of the output are off by more
// than 0.005; candidates A-shape (100, 800), vertical-slash (30, 800), (100, 800), (100, 750),
// (500, 700), (3500, 100), (1000, 4096), and 100 blocks of 64; the smallest wins. Both force the
// first 30 columns and the nearest 30 diagonals. Of equal scores the first in this order wins.
#pragma once

#include <cstdint>
#include <functional>

#include "exec/api/method_runtime.h"
#include "methods/minference/head_pattern.h"

namespace scsim::methods {

enum class SearchCriterion : std::uint8_t { kRecall, kOutput };

struct SearchOptions {
  SearchCriterion criterion = SearchCriterion::kRecall;
  std::int64_t first_row = 2500;
  // What wins as an A-shape is written as vertical-slash of the same sizes, and blocks as
  // vertical-slash (1000, 6096), as the published files have it.
  bool as_published = false;
};

class PatternSearch final : public exec::MethodRuntime {
 public:
  // Layers that `done` has are not looked at again. `after_layer` hears of each that is.
  PatternSearch(const SearchOptions& options, HeadPatterns done,
                std::function<void(const PatternSearch&, std::int64_t num_layers)> after_layer);

  at::Tensor attend_prefill(exec::LayerStep& step) override;
  const HeadPatterns& found() const { return found_; }

 private:
  SearchOptions options_;
  HeadPatterns found_;
  std::function<void(const PatternSearch&, std::int64_t)> after_layer_;
};

// The candidates of one criterion and what each head scores: [candidates][heads].
struct CandidateScores {
  std::vector<HeadPattern> candidates;
  std::vector<std::vector<double>> scores;
};
// REQUIRES: the step is a first prompt in one piece, its keys are in the cache; `out` is its dense
// attention.
CandidateScores candidate_scores(const SearchOptions& options, exec::LayerStep& step,
                                 const exec::CacheView& view, const at::Tensor& out);

}  // namespace scsim::methods
