#include "methods/minference/select.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "exec/api/attention.h"
#include "methods/minference/index.h"

namespace scsim::methods {
namespace {

at::Tensor int32s(const std::vector<std::int32_t>& values) {
  at::Tensor t = at::empty({std::ssize(values)}, at::kInt);
  std::ranges::copy(values, t.mutable_data_ptr<std::int32_t>());
  return t;
}

std::int32_t number(Chosen chosen) { return static_cast<std::int32_t>(chosen); }

RowRange rows_of(const exec::LayerStep& step) {
  return {.first = step.first_position, .count = step.q.size(0)};
}

std::vector<std::int32_t> chosen_blocks(const at::Tensor& queries, const at::Tensor& keys,
                                        std::int64_t first, std::int64_t count) {
  std::vector<std::int32_t> numbers = {number(Chosen::kBlocks)};
  for (const std::vector<std::int32_t>& blocks : choose_blocks(queries, keys, first, count)) {
    numbers.push_back(static_cast<std::int32_t>(blocks.size()));
    numbers.insert(numbers.end(), blocks.begin(), blocks.end());
  }
  return numbers;
}

}  // namespace

LayerChoice choose_keys(const MinferenceSettings& settings, exec::LayerStep& step,
                        const exec::CacheView& view) {
  const exec::MeasuredPart part(step.measure, "index");
  const std::int64_t heads = step.q.size(1), group = heads / step.k.size(1);
  const RowRange rows = rows_of(step);
  const auto is = [&](std::int64_t h, PatternKind kind) {
    const HeadPattern pattern = settings.pattern(step.layer, h);
    return pattern.kind == kind && !settings.attends_everything(pattern, rows.keys());
  };
  bool scores_columns = false;
  std::vector<at::Tensor> keys(static_cast<std::size_t>(heads));  // of block-sparse heads
  for (std::int64_t h = 0; h < heads; ++h) {
    scores_columns = scores_columns || is(h, PatternKind::kVerticalSlash);
    if (!is(h, PatternKind::kBlockSparse)) continue;
    keys[static_cast<std::size_t>(h)] = step.cache.rows(step.layer, h / group).first;
    step.measure.now().bytes_read +=
        rows.keys() * step.q.size(2) * static_cast<std::int64_t>(step.k.element_size());
  }
  exec::KeyScores scores;
  if (scores_columns) {
    const std::int64_t window = std::min(settings.window, rows.count);
    scores = exec::score_keys(step, view, step.q.narrow(0, rows.count - window, window), {}, true);
    scores = {scores.columns.cpu().contiguous(), scores.diagonals.cpu().contiguous()};
  }
  LayerChoice choice;
  choice.heads.resize(static_cast<std::size_t>(heads));
  at::parallel_for(0, heads, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t h = begin; h < end; ++h) {
      const auto head = static_cast<std::size_t>(h);
      const HeadPattern pattern = settings.pattern(step.layer, h);
      std::vector<std::int32_t>& chosen = choice.heads[head];
      if (settings.attends_everything(pattern, rows.keys())) {
        chosen = {number(Chosen::kEverything)};
      } else if (pattern.kind == PatternKind::kAShape) {
        chosen = {number(Chosen::kAShape)};
      } else if (pattern.kind == PatternKind::kBlockSparse) {
        chosen = chosen_blocks(step.q.select(1, h), keys[head], rows.first, settings.blocks);
      } else {
        const auto of = [&](const at::Tensor& t) {
          return t.const_data_ptr<float>() + h * t.size(1);
        };
        const auto columns =
            choose_columns(of(scores.columns), rows.keys(), settings.columns(pattern, rows.keys()),
                           settings.forced_columns);
        const auto diagonals =
            choose_diagonals(of(scores.diagonals), rows.keys(),
                             settings.diagonals(pattern, rows.keys()), settings.forced_diagonals);
        chosen = {number(Chosen::kVerticalSlash), static_cast<std::int32_t>(columns.size())};
        chosen.insert(chosen.end(), columns.begin(), columns.end());
        chosen.insert(chosen.end(), diagonals.begin(), diagonals.end());
      }
    }
  });
  choice.everything = std::ranges::all_of(choice.heads, [](const auto& chosen) {
    return chosen.front() == number(Chosen::kEverything);
  });
  return choice;
}

exec::PrefillSelection key_selection(const MinferenceSettings& settings,
                                     const exec::LayerStep& step, const LayerChoice& choice) {
  const exec::MeasuredPart part(step.measure, "lists");
  const RowRange rows = rows_of(step);
  std::vector<KeyLists> of_heads(choice.heads.size());
  at::parallel_for(0, std::ssize(of_heads), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t h = begin; h < end; ++h) {
      const auto head = static_cast<std::size_t>(h);
      add_chosen(of_heads[head], rows, settings.pattern(step.layer, h), choice.heads[head]);
    }
  });
  KeyLists lists;
  for (const KeyLists& of : of_heads) lists.append(of);
  return {.tile = kBlock,
          .stride = 1,
          .tile_offsets = int32s(lists.tile_offsets),
          .tiles = int32s(lists.tiles),
          .column_offsets = int32s(lists.column_offsets),
          .columns = int32s(lists.columns),
          .bands = int32s(lists.bands).view({-1, 2})};
}

}  // namespace scsim::methods
