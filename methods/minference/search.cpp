#include "methods/minference/search.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "exec/api/attention.h"
#include "methods/minference/index.h"
#include "methods/minference/select.h"
#include "traces/check.h"

namespace scsim::methods {
namespace {

using exec::CacheView;
using exec::LayerStep;

constexpr std::int64_t kForced = 30, kWindow = 64;
constexpr std::int64_t kSearchBlock = 32, kBlockShare = 8;  // of the search by recall
constexpr std::int64_t kSearchBlocks = 100;                 // of the search by output
constexpr double kOff = 5e-3;

HeadPattern a_shape(std::int64_t init, std::int64_t local) {
  return {.kind = PatternKind::kAShape, .vertical = init, .slash = local};
}
HeadPattern vertical_slash(std::int64_t vertical, std::int64_t slash) {
  return {.kind = PatternKind::kVerticalSlash, .vertical = vertical, .slash = slash};
}
HeadPattern blocks(std::int64_t size) {
  return {.kind = PatternKind::kBlockSparse, .vertical = size, .slash = 1};
}

std::vector<HeadPattern> candidates_of(SearchCriterion criterion) {
  if (criterion == SearchCriterion::kRecall) {
    return {a_shape(100, 800),        vertical_slash(30, 800),   vertical_slash(100, 750),
            vertical_slash(500, 700), vertical_slash(3500, 100), blocks(kBlockShare)};
  }
  return {a_shape(100, 800),          vertical_slash(30, 800),
          vertical_slash(100, 800),   vertical_slash(100, 750),
          vertical_slash(500, 700),   vertical_slash(3500, 100),
          vertical_slash(1000, 4096), blocks(10)};
}

// A candidate for one head, ready to tell what it covers of a row of attention weights.
class Cover {
 public:
  Cover(const HeadPattern& pattern, const at::Tensor& queries, const at::Tensor& keys,
        const float* column_scores, const float* diagonal_scores)
      : pattern_(pattern) {
    const std::int64_t tokens = keys.size(0);
    if (pattern.kind == PatternKind::kBlockSparse) {
      const std::int64_t all = (tokens + kSearchBlock - 1) / kSearchBlock;
      blocks_ = choose_blocks(queries, keys, 0, std::max<std::int64_t>(1, all / kBlockShare),
                              kSearchBlock);
    } else if (pattern.kind == PatternKind::kVerticalSlash) {
      columns_ = choose_columns(column_scores, tokens,
                                std::min(tokens, std::max(pattern.vertical, kForced)), kForced);
      diagonals_ = choose_diagonals(diagonal_scores, tokens,
                                    std::min(tokens, std::max(pattern.slash, kForced)), kForced);
      is_column_.resize(static_cast<std::size_t>(tokens));
      for (const std::int32_t c : columns_) is_column_[static_cast<std::size_t>(c)] = 1;
    }
  }

  // The sum of weights [0, row] that row `row` keeps.
  double of(const float* weights, std::int64_t row) const {
    double sum = 0;
    switch (pattern_.kind) {
      case PatternKind::kAShape:
        for (std::int64_t k = 0; k <= row; ++k) {
          if (k < pattern_.vertical || k > row - pattern_.slash) sum += weights[k];
        }
        break;
      case PatternKind::kBlockSparse:
        for (const std::int32_t b : blocks_[static_cast<std::size_t>(row / kSearchBlock)]) {
          const std::int64_t end = std::min((b + 1) * kSearchBlock, row + 1);
          for (std::int64_t k = b * kSearchBlock; k < end; ++k) sum += weights[k];
        }
        break;
      case PatternKind::kVerticalSlash:
        for (const std::int32_t c : columns_) {
          if (c > row) break;
          sum += weights[c];
        }
        for (const std::int32_t d : diagonals_) {
          if (d <= row && is_column_[static_cast<std::size_t>(row - d)] == 0) {
            sum += weights[row - d];
          }
        }
        break;
    }
    return sum;
  }

 private:
  HeadPattern pattern_;
  std::vector<std::int32_t> columns_, diagonals_;
  std::vector<std::uint8_t> is_column_;
  std::vector<std::vector<std::int32_t>> blocks_;
};

// Mean over the rows from `first_row` on of what each candidate covers of one head's attention.
std::vector<double> recalled(const std::vector<Cover>& covers, const at::Tensor& queries,
                             const at::Tensor& keys, double scale, std::int64_t first_row) {
  const std::int64_t tokens = keys.size(0);
  std::vector<double> sums(covers.size());
  for (std::int64_t from = first_row; from < tokens; from += kBlock) {
    const std::int64_t to = std::min(from + kBlock, tokens), rows = to - from;
    at::Tensor weights =
        at::matmul(queries.narrow(0, from, rows).mul(scale), keys.narrow(0, 0, to).t());
    weights.narrow(1, from, rows)
        .masked_fill_(at::ones({rows, rows}, at::kBool).triu(1), -INFINITY);
    weights = at::softmax(weights, 1);
    for (std::int64_t i = 0; i < rows; ++i) {
      const float* row = weights.const_data_ptr<float>() + i * to;
      for (std::size_t c = 0; c < covers.size(); ++c) sums[c] += covers[c].of(row, from + i);
    }
  }
  for (double& sum : sums) sum /= static_cast<double>(tokens - first_row);
  return sums;
}

std::vector<std::vector<double>> recall_scores(const SearchOptions& options,
                                               const std::vector<HeadPattern>& candidates,
                                               LayerStep& step, const CacheView& view) {
  const std::int64_t tokens = step.q.size(0), heads = step.q.size(1);
  const std::int64_t group = heads / step.k.size(1), window = std::min(kWindow, tokens);
  exec::KeyScores last =
      exec::score_keys(step, view, step.q.narrow(0, tokens - window, window), {}, true);
  last = {last.columns.cpu().contiguous(), last.diagonals.cpu().contiguous()};
  std::vector<std::vector<double>> scores(candidates.size(),
                                          std::vector<double>(static_cast<std::size_t>(heads)));
  for (std::int64_t g = 0; g < step.k.size(1); ++g) {
    const at::Tensor keys = step.cache.rows(step.layer, g).first.to(at::kFloat).cpu().contiguous();
    at::parallel_for(0, group, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t h = g * group + begin; h < g * group + end; ++h) {
        const at::Tensor queries = step.q.select(1, h).to(at::kFloat).cpu().contiguous();
        std::vector<Cover> covers;
        for (const HeadPattern& pattern : candidates) {
          covers.emplace_back(pattern, queries, keys,
                              last.columns.const_data_ptr<float>() + h * tokens,
                              last.diagonals.const_data_ptr<float>() + h * tokens);
        }
        const std::vector<double> of =
            recalled(covers, queries, keys, step.scale, std::min(options.first_row, tokens - 1));
        for (std::size_t c = 0; c < of.size(); ++c) {
          scores[c][static_cast<std::size_t>(h)] = of[c];
        }
      }
    });
  }
  return scores;
}

std::vector<std::vector<double>> output_scores(const std::vector<HeadPattern>& candidates,
                                               LayerStep& step, const CacheView& view,
                                               const at::Tensor& out) {
  std::vector<std::vector<double>> scores;
  for (const HeadPattern& pattern : candidates) {
    MinferenceSettings settings;
    settings.otherwise = pattern;
    settings.blocks = kSearchBlocks;
    settings.forced_columns = settings.forced_diagonals = kForced;
    const LayerChoice choice = choose_keys(settings, step, view);
    const at::Tensor found =
        choice.everything ? out : attend(step, view, key_selection(settings, step, choice)).out;
    const at::Tensor off =
        found.sub(out).abs().gt(kOff).sum(at::IntArrayRef{0, 2}).to(at::kDouble).cpu();
    scores.emplace_back(off.const_data_ptr<double>(), off.const_data_ptr<double>() + off.numel());
  }
  return scores;
}

HeadPattern as_published(const HeadPattern& pattern) {
  if (pattern.kind == PatternKind::kVerticalSlash) return pattern;
  HeadPattern mapped = pattern.kind == PatternKind::kAShape
                           ? vertical_slash(pattern.vertical, pattern.slash)
                           : vertical_slash(1000, 6096);
  mapped.score = pattern.score;
  return mapped;
}

}  // namespace

CandidateScores candidate_scores(const SearchOptions& options, LayerStep& step,
                                 const CacheView& view, const at::Tensor& out) {
  SCSIM_CHECK_EQ(step.first_position, 0);
  CandidateScores scores{.candidates = candidates_of(options.criterion), .scores = {}};
  scores.scores = options.criterion == SearchCriterion::kRecall
                      ? recall_scores(options, scores.candidates, step, view)
                      : output_scores(scores.candidates, step, view, out);
  return scores;
}

PatternSearch::PatternSearch(const SearchOptions& options, HeadPatterns done,
                             std::function<void(const PatternSearch&, std::int64_t)> after_layer)
    : options_(options), found_(std::move(done)), after_layer_(std::move(after_layer)) {}

at::Tensor PatternSearch::attend_prefill(LayerStep& step) {
  if (!step.cache.append(step.layer, step.k, step.v, step.measure)) return {};
  const std::optional<CacheView> view = step.cache.view(step.layer, step.measure);
  if (!view) return {};
  at::Tensor out = attend(step, *view).out;
  if (step.layer < std::ssize(found_)) return out;
  const CandidateScores scores = candidate_scores(options_, step, *view, out);
  const bool more_is_better = options_.criterion == SearchCriterion::kRecall;
  found_.emplace_back();
  for (std::int64_t h = 0; h < step.q.size(1); ++h) {
    const auto score = [&](std::size_t c) {
      const double of = scores.scores[c][static_cast<std::size_t>(h)];
      return more_is_better ? of : -of;
    };
    std::size_t best = 0;
    for (std::size_t c = 1; c < scores.candidates.size(); ++c) {
      if (score(c) > score(best)) best = c;
    }
    HeadPattern pattern = scores.candidates[best];
    pattern.score = scores.scores[best][static_cast<std::size_t>(h)];
    found_.back()[h] = options_.as_published ? as_published(pattern) : pattern;
  }
  after_layer_(*this, step.num_layers);
  return out;
}

}  // namespace scsim::methods
