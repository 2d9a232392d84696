// The contract that methods have in common which keep some tokens of each head and drop the others:
// a method says how many it keeps of a prompt, and all else follows.
//
//   class SnapKvContract final : public DroppingContract {
//     Tokens most_kept(const AttentionLayer& layer, Tokens prompt) const override { return budget_;
//     }
//
// Prefill is dense over what is held, so pairs are exact wherever what is held is known. Where
// query heads choose for themselves (as released code of several methods does), a kv head's tokens
// become those of its query heads once anything is dropped: the bytes of a group then count for
// each of its heads.
#pragma once

#include "methods/contract.h"

namespace scsim::methods {

struct DroppingRule {
  bool by_query_head = false;
  bool at_every_append = false;  // or once, behind the first prompt
  bool at_every_token = false;   // decode steps too: a head never holds more than it may keep
  bool with_question = false;    // what is kept depends on the end of the prompt
  double remembered_bytes = 0;   // beside K and V, of each token that a choosing head holds
};

class DroppingContract : public KvContract {
 public:
  explicit DroppingContract(const DroppingRule& rule) : rule_(rule) {}

  PairBounds prefill_pairs(const AttentionLayer& layer, Tokens fresh, Tokens cached) const override;
  Bytes kept_bytes(const AttentionLayer& layer, Tokens tokens) const override;
  Bytes kept_bytes_behind(const AttentionLayer& layer,
                          std::span<const Tokens> prompts) const override;
  Bytes metadata_bytes(const AttentionLayer& layer, Tokens tokens) const override;
  // While the query heads of a group take over the tokens of their kv head, old and new pages are
  // held together: group by group.
  Bytes peak_bytes(const AttentionLayer& layer, Tokens tokens) const override;
  Compresses compresses() const override;
  DecodeReads decode_reads(const AttentionLayer& layer, Tokens tokens) const override;
  ReuseClass reuse(SessionMode mode) const override;
  Addressable addressable() const override { return Addressable::kWhole; }
  SecondQuestion second_question() const override;

 protected:
  // The most tokens that a head of the layer keeps when all in all `seen` have been read.
  virtual Tokens most_kept(const AttentionLayer& layer, Tokens seen) const = 0;
  // The least that most_kept() can be for `seen` or fewer tokens.
  virtual Tokens fewest_kept(const AttentionLayer& layer, Tokens seen) const {
    return most_kept(layer, seen);
  }

 private:
  Bytes remembered(const AttentionLayer& layer, Tokens held) const;

  DroppingRule rule_;
};

}  // namespace scsim::methods
