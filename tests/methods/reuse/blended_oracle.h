// What reuse of chunks computes, written out over plain tensors: every row is computed in every
// layer, rows that the method would not compute only so that there is a number in their place,
// since from the layer on where they are let go their keys and values are the chunk's own, and no
// other row sees anything else of them. One prompt, from position 0, of one sequence.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "exec/api/method_runtime.h"

namespace scsim::test {

class BlendedOracle final : public exec::MethodRuntime {
 public:
  struct Document {
    exec::TokenRange at;
    exec::KvCache* alone;  // its own cache, whose first `lead` tokens are not its own
    std::int64_t lead = 0;
  };
  struct Rule {
    // EPIC: so many first tokens of each; CacheBlend: less than 0.
    std::int64_t first = -1;
    // CacheBlend: the share of all documents' rows that goes into a layer.
    std::function<double(std::int64_t layer)> share_into = nullptr;
    bool with_keys = false, causal = true;
  };

  BlendedOracle(std::vector<Document> documents, Rule rule)
      : documents_(std::move(documents)), rule_(std::move(rule)) {}

  // Of each layer the rows that are computed, ascending.
  std::vector<std::vector<std::int64_t>> computed;

  at::Tensor attend_prefill(exec::LayerStep& step) override {
    const std::int64_t n = step.q.size(0);
    if (step.layer == 0) begin(n);
    const std::vector<std::int64_t>& rows = computed.back();
    at::Tensor k = step.k.clone(), v = step.v.clone(), own_k = step.k.clone(),
               own_v = step.v.clone();
    for (const Document& document : documents_) {
      const std::int64_t count = document.at.end - document.at.begin;
      for (std::int64_t h = 0; h < k.size(1); ++h) {
        const auto [keys, values] = document.alone->rows(step.layer, h, document.lead, count);
        own_k.narrow(0, document.at.begin, count).select(1, h).copy_(keys);
        own_v.narrow(0, document.at.begin, count).select(1, h).copy_(values);
      }
      own_k.narrow(0, document.at.begin, count)
          .copy_(step.move_keys(own_k.narrow(0, document.at.begin, count),
                                document.at.begin - document.lead));
    }
    std::vector<double> apart(static_cast<std::size_t>(n), 0);
    for (const std::int64_t row : rows) {
      apart[static_cast<std::size_t>(row)] =
          squared(step.v[row], own_v[row]) +
          (rule_.with_keys ? squared(step.k[row], own_k[row]) : 0);
    }
    for (std::int64_t row = 0; row < n; ++row) {
      if (std::ranges::binary_search(rows, row)) continue;
      k[row].copy_(own_k[row]);
      v[row].copy_(own_v[row]);
    }
    if (!step.cache.append(step.layer, k, v, step.measure)) return {};
    at::Tensor out = attention(step, k, v, rows);
    if (step.layer + 1 < step.num_layers) computed.push_back(next(rows, apart, step.layer + 1));
    return out;
  }

 private:
  bool in_document(std::int64_t row) const {
    return std::ranges::any_of(documents_, [row](const Document& document) {
      return row >= document.at.begin && row < document.at.end;
    });
  }

  void begin(std::int64_t n) {
    computed.assign(1, {});
    for (std::int64_t row = 0; row < n; ++row) {
      bool wanted = rule_.first < 0 || !in_document(row);
      for (const Document& document : documents_) {
        wanted |= row >= document.at.begin && row < document.at.begin + rule_.first;
      }
      if (wanted) computed.front().push_back(row);
    }
  }

  std::vector<std::int64_t> next(const std::vector<std::int64_t>& rows,
                                 const std::vector<double>& apart, std::int64_t layer) const {
    if (rule_.first >= 0 || rule_.share_into(layer) == rule_.share_into(layer - 1)) return rows;
    std::int64_t tokens = 0;
    for (const Document& document : documents_) tokens += document.at.end - document.at.begin;
    auto left = static_cast<std::size_t>(
        std::floor(rule_.share_into(layer) * static_cast<double>(tokens) + 1e-9));
    std::vector<std::int64_t> order;
    std::ranges::copy_if(rows, std::back_inserter(order),
                         [this](std::int64_t row) { return in_document(row); });
    std::ranges::stable_sort(order, std::greater(), [&](std::int64_t row) {
      return apart[static_cast<std::size_t>(row)];
    });
    order.resize(std::min(left, order.size()));
    std::ranges::copy_if(rows, std::back_inserter(order),
                         [this](std::int64_t row) { return !in_document(row); });
    std::ranges::sort(order);
    return order;
  }

  static double squared(const at::Tensor& a, const at::Tensor& b) {
    return (a - b).to(at::kDouble).square().sum().item<double>();
  }

  at::Tensor attention(const exec::LayerStep& step, const at::Tensor& k, const at::Tensor& v,
                       const std::vector<std::int64_t>& rows) const {
    const std::int64_t n = k.size(0), group = step.q.size(1) / k.size(1);
    at::Tensor hidden = at::ones({n, n}, at::kBool).triu(1);
    for (std::size_t i = 0; !rule_.causal && i < rows.size(); ++i) {
      if (rows.size() == static_cast<std::size_t>(n)) break;
      hidden[rows[i]].fill_(false);
      const auto seen = n - static_cast<std::int64_t>(rows.size() - i) + 1;
      hidden[rows[i]].narrow(0, seen, n - seen).fill_(true);
    }
    const auto heads = [&](const at::Tensor& of) {
      return of.repeat_interleave(group, 1).transpose(0, 1).to(at::kDouble);
    };
    const at::Tensor logits =
        at::matmul(step.q.transpose(0, 1).to(at::kDouble), heads(k).transpose(1, 2)) * step.scale;
    const at::Tensor weights =
        at::softmax(logits.masked_fill(hidden, -std::numeric_limits<double>::infinity()), 2);
    return at::matmul(weights, heads(v)).transpose(0, 1).to(at::kFloat).contiguous();
  }

  std::vector<Document> documents_;
  Rule rule_;
};

}  // namespace scsim::test
