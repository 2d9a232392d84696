#include "methods/contract.h"

#include "traces/check.h"

namespace scsim::methods {

double KvContract::prefill_pairs_given(const AttentionLayer& layer, Tokens fresh, Tokens cached,
                                       const RecordedSelection&) const {
  const PairBounds pairs = prefill_pairs(layer, fresh, cached);
  SCSIM_CHECK_EQ(pairs.least, pairs.most);
  return pairs.least;
}

Bytes KvContract::kept_bytes_behind(const AttentionLayer& layer,
                                    std::span<const Tokens> prompts) const {
  Tokens all{0};
  for (const Tokens prompt : prompts) all += prompt;
  if (prompts.empty() || second_question() != SecondQuestion::kAppendsInFull) {
    return kept_bytes(layer, all);
  }
  return kept_bytes(layer, prompts.front()) + dense_bytes(layer, all - prompts.front());
}

Bytes KvContract::metadata_bytes(const AttentionLayer&, Tokens) const { return Bytes{0}; }

double KvContract::bits_per_element(const AttentionLayer& layer) const {
  return 8 * layer.element_bytes;
}

Bytes KvContract::peak_bytes(const AttentionLayer& layer, Tokens tokens) const {
  return kept_bytes(layer, tokens);
}

Rewriting KvContract::rewrite(Tokens compressible) const {
  return {.least = compressible, .most = compressible, .aimed = compressible, .read = Tokens{0}};
}

PairBounds DenseContract::prefill_pairs(const AttentionLayer& layer, Tokens fresh,
                                        Tokens cached) const {
  const double pairs = causal_pairs(layer, fresh, cached);
  return {.least = pairs, .most = pairs};
}

Bytes DenseContract::kept_bytes(const AttentionLayer& layer, Tokens tokens) const {
  return dense_bytes(layer, tokens);
}

DecodeReads DenseContract::decode_reads(const AttentionLayer& layer, Tokens tokens) const {
  const Bytes all = dense_bytes(layer, tokens);
  return {.hbm = all, .host = Bytes{0}, .resident = all};
}

double causal_pairs(const AttentionLayer& layer, Tokens fresh, Tokens cached) {
  SCSIM_CHECK_GE(fresh.value(), 0);
  SCSIM_CHECK_GE(cached.value(), 0);
  const auto n = static_cast<double>(fresh.value());
  const auto c = static_cast<double>(cached.value());
  return static_cast<double>(layer.query_heads) * (n * c + n * (n + 1) / 2);
}

Bytes dense_bytes(const AttentionLayer& layer, Tokens tokens) {
  return Bytes{2.0 * static_cast<double>(tokens.value() * layer.kv_heads * layer.head_dim) *
               layer.element_bytes};
}

Bytes kept_bytes(const RecurrentLayer& layer, Tokens tokens) {
  if (tokens == Tokens{0}) return Bytes{0};
  const std::int64_t every = layer.saved_every.value();
  const std::int64_t points = every == 0 ? 0 : (tokens.value() - 1) / every;
  return Bytes{layer.state.value() * static_cast<double>(1 + points)};
}

DecodeReads decode_reads(const RecurrentLayer& layer) {
  return {.hbm = layer.state, .host = Bytes{0}, .resident = layer.state};
}

ReuseClass reuse_of_recurrent(ReuseClass reuse) {
  if (reuse == ReuseClass::kExact) return ReuseClass::kSnapshot;
  return reuse == ReuseClass::kPositionFree ? ReuseClass::kNone : reuse;
}

Addressable addressable_of_recurrent(Addressable addressable, Tokens saved_every) {
  if (addressable == Addressable::kWhole || saved_every == Tokens{0}) return Addressable::kWhole;
  return Addressable::kSavedPoints;
}

}  // namespace scsim::methods
