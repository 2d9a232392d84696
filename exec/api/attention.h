// Attention for methods: the operators of exec/operators on one layer of one sequence, counted in
// the ledger as what was really computed and read.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "exec/api/kv_cache.h"
#include "exec/api/method_runtime.h"
#include "exec/operators/operators.h"

namespace scsim::exec {

struct Attention {
  at::Tensor out;  // [tokens, query_heads, head_dim]
  at::Tensor lse;  // [tokens, query_heads]
};

// The new tokens over what `view` holds, whose last tokens they are; causal, and within `selection`
// and the sliding window if there is one. With a selection there is no sliding window, and
// nothing packed. Where only some of the new tokens came this far (LayerStep::positions), these
// over what stands before them in heads that hold every token; then there is no selection.
Attention attend(LayerStep& step, const CacheView& view,
                 const std::optional<PrefillSelection>& selection = std::nullopt);
// One new token over all that `view` holds, within the sliding window.
Attention attend_one(LayerStep& step, const CacheView& view);

struct KeyScores {
  at::Tensor columns;    // [query_heads, longest]
  at::Tensor diagonals;  // likewise, or of no columns
};

// How much attention the keys of `view` get from `queries` [rows, query_heads, head_dim], which are
// those of its last tokens: window_scores() of exec/operators. Nothing is attended by it, so what
// is counted is operations and the keys read. `lse` [rows, query_heads], where attend() gave it,
// saves half of the work.
KeyScores score_keys(LayerStep& step, const CacheView& view, const at::Tensor& queries,
                     const at::Tensor& lse = {}, bool with_diagonals = false);

// One new token over listed keys of `view`, which may be a view in place. What is read of the host
// tier is counted as moved: it is what crosses to the compute.
Attention attend_listed(LayerStep& step, const CacheView& view, const KeyLists& lists);

}  // namespace scsim::exec
