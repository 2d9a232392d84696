#include "methods/dropping_contract.h"

#include <algorithm>

namespace scsim::methods {
namespace {

// Tokens of `heads` heads, K and V.
Bytes bytes_of(const AttentionLayer& layer, std::int64_t heads, Tokens tokens) {
  return Bytes{2.0 * static_cast<double>(tokens.value() * heads * layer.head_dim) *
               layer.element_bytes};
}

}  // namespace

PairBounds DroppingContract::prefill_pairs(const AttentionLayer& layer, Tokens fresh,
                                           Tokens cached) const {
  const Tokens least = std::min(cached, fewest_kept(layer, cached));
  const Tokens most = rule_.at_every_token ? std::min(cached, most_kept(layer, cached)) : cached;
  return {.least = causal_pairs(layer, fresh, least), .most = causal_pairs(layer, fresh, most)};
}

Bytes DroppingContract::kept_bytes(const AttentionLayer& layer, Tokens tokens) const {
  return kept_bytes_behind(layer, {&tokens, 1});
}

Bytes DroppingContract::kept_bytes_behind(const AttentionLayer& layer,
                                          std::span<const Tokens> prompts) const {
  Tokens seen{0}, held{0};
  bool dropped = false;
  for (const Tokens prompt : prompts) {
    const bool acts = seen == Tokens{0} || rule_.at_every_append;
    seen += prompt;
    held += prompt;
    const Tokens most = most_kept(layer, seen);
    if (!acts || held <= most) continue;
    held = most;
    dropped = true;
  }
  const bool expanded = dropped && rule_.by_query_head;
  return bytes_of(layer, expanded ? layer.query_heads : layer.kv_heads, held) +
         remembered(layer, held);
}

Bytes DroppingContract::remembered(const AttentionLayer& layer, Tokens held) const {
  const std::int64_t heads = rule_.by_query_head ? layer.query_heads : layer.kv_heads;
  return Bytes{rule_.remembered_bytes * static_cast<double>(heads * held.value())};
}

Bytes DroppingContract::metadata_bytes(const AttentionLayer& layer, Tokens tokens) const {
  return remembered(layer, std::min(tokens, most_kept(layer, tokens)));
}

Bytes DroppingContract::peak_bytes(const AttentionLayer& layer, Tokens tokens) const {
  const Bytes dense = dense_bytes(layer, tokens) + remembered(layer, tokens);
  const Tokens kept = most_kept(layer, tokens);
  if (!rule_.by_query_head || tokens <= kept) return dense;
  // Before the last query head of group j (from 0) has its own: j groups are done, and of this one
  // all but one head is beside the old tokens.
  const std::int64_t group = layer.query_heads / layer.kv_heads;
  const double token = bytes_of(layer, 1, Tokens{1}).value();
  const double one = static_cast<double>(kept.value()) * token;
  const double grown = static_cast<double>(group) * one -
                       static_cast<double>(tokens.value()) * token;  // by each group done
  return dense + Bytes{static_cast<double>(group - 1) * one +
                       static_cast<double>(layer.kv_heads - 1) * std::max(0.0, grown)};
}

Compresses DroppingContract::compresses() const {
  return rule_.at_every_append ? Compresses::kAtEveryAppend : Compresses::kOnce;
}

DecodeReads DroppingContract::decode_reads(const AttentionLayer& layer, Tokens tokens) const {
  const Bytes kept = kept_bytes(layer, tokens);  // what is remembered is read with every step too
  return {.hbm = kept, .host = Bytes{0}, .resident = kept};
}

ReuseClass DroppingContract::reuse(SessionMode mode) const {
  // In multi-turn mode the first question is the end of the first prompt.
  const bool question_in_view = rule_.with_question && mode == SessionMode::kMultiTurn;
  return question_in_view ? ReuseClass::kQueryBound : ReuseClass::kLossy;
}

SecondQuestion DroppingContract::second_question() const {
  return rule_.at_every_append ? SecondQuestion::kCompressesAnew : SecondQuestion::kAppendsInFull;
}

}  // namespace scsim::methods
