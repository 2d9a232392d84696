// The KV contract of a method: what the simulator must know of it, as data and pure functions. It
// has no state and no libtorch; what the method's execution does is held to it by tests
// (INV-CONTRACT).
//
//   auto method = make_contract("full");
//   PairBounds pairs = method->prefill_pairs(layer, Tokens{100}, Tokens{4000});
//   Bytes kept = method->kept_bytes(layer, Tokens{4100});
//
// The order of the functions is that of the list of what a contract says (methods/README.md). Where
// a method rewrites prompts, tokens are those that are prefilled, but in rewrite().
// Accuracy is never part of a contract: it is measured, for one model at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "traces/quantity.h"
#include "traces/session_mode.h"

namespace scsim::methods {

// One attention layer of a model. `layer` of `num_layers` for methods whose layers differ.
struct AttentionLayer {
  std::int64_t layer = 0, num_layers = 1;
  std::int64_t query_heads = 1, kv_heads = 1, head_dim = 64;
  double element_bytes = 2;  // of K and V as the model computes them
};

// One recurrent layer of a model (Mamba). No method acts on it, so it is in no contract: it attends
// no pairs and keeps its state, the same bytes at any length, and what was saved of it on the way.
struct RecurrentLayer {
  Bytes state{0};
  Tokens saved_every{0};  // a saved point every so many tokens; 0: none
};

// Where the data decide, a contract gives bounds; the density in between is measured. Where the
// method's pattern is fixed, both are the same.
struct PairBounds {
  double least = 0, most = 0;  // (query, key) pairs over all query heads of the layer
  bool exact() const { return least == most; }
};

// What a method chose for one layer of one prefill where the data decided: a list of numbers a
// query head, whose meaning is the method's own. Its execution records it (exec/api/measure.h).
using RecordedSelection = std::vector<std::vector<std::int32_t>>;

enum class Compresses : std::uint8_t { kNever, kOnce, kAtEveryAppend };

// What a request of another session may do with the cache.
enum class ReuseClass : std::uint8_t {
  kExact,         // any request with this prefix
  kLossy,         // likewise, at the accuracy measured for it
  kQueryBound,    // compressed with one question in view: not for others
  kPositionFree,  // at another offset too, with partial recompute
  kSnapshot,      // recurrent state, at saved points only
  kNone,
};
enum class Addressable : std::uint8_t { kEveryPrefix, kWhole, kSavedPoints };

// What one decode step reads of a layer's cache, from where, and what must stay in HBM for it.
struct DecodeReads {
  Bytes hbm{0}, host{0}, resident{0};
};

// What a method that rewrites prompts (prompt compression) makes of those tokens of one that it may
// compress: how many come in their place, between bounds and as it aims at, and how many tokens the
// scorer reads at most to find them, in passes that make no KV of the prompt. If that is the model
// itself they are its extra_passes(); another one's tokens are counted as if they were the model's.
struct Rewriting {
  Tokens least{0}, most{0}, aimed{0};
  Tokens read{0};
};

enum class SecondQuestion : std::uint8_t {
  kAppends,         // its tokens join the cache as the context's did
  kAppendsInFull,   // they join uncompressed, behind what was compressed once
  kCompressesAnew,  // the cache is compressed again with it in view
};

class KvContract {
 public:
  virtual ~KvContract() = default;

  // Prefill: `fresh` new tokens behind `cached` ones.
  virtual PairBounds prefill_pairs(const AttentionLayer& layer, Tokens fresh,
                                   Tokens cached) const = 0;
  // Exactly, given what was chosen. Default: where the bounds are exact nothing is.
  virtual double prefill_pairs_given(const AttentionLayer& layer, Tokens fresh, Tokens cached,
                                     const RecordedSelection& selection) const;
  // Bytes of a layer's cache behind a prompt of `tokens`, of which the method's own metadata.
  virtual Bytes kept_bytes(const AttentionLayer& layer, Tokens tokens) const = 0;
  // Behind several prompts, each prefilled behind those before it. Default: what second_question()
  // says.
  virtual Bytes kept_bytes_behind(const AttentionLayer& layer,
                                  std::span<const Tokens> prompts) const;
  virtual Bytes metadata_bytes(const AttentionLayer& layer, Tokens tokens) const;  // default: none
  virtual double bits_per_element(const AttentionLayer& layer) const;  // default: as the model's
  // The most a layer holds while such a prompt is prefilled, before it is compressed.
  virtual Bytes peak_bytes(const AttentionLayer& layer, Tokens tokens) const;  // default: as kept
  // Compression: when, whether it needs the question in view, how many further passes over the
  // prompt (rewrite() says of how many tokens), whether a prompt may come in chunks, whether heads
  // split over ranks without exchange.
  virtual Compresses compresses() const { return Compresses::kNever; }
  virtual bool needs_question() const { return false; }
  virtual int extra_passes() const { return 0; }
  // Ahead of all that: what becomes of so many tokens that it may compress. Default: they stay.
  virtual Rewriting rewrite(Tokens compressible) const;
  virtual bool allows_chunked_prefill() const { return true; }
  virtual bool heads_are_independent() const { return true; }
  // Decode: one step with `tokens` behind it.
  virtual DecodeReads decode_reads(const AttentionLayer& layer, Tokens tokens) const = 0;
  // Reuse by others, and which prefixes of a cache can be addressed.
  virtual ReuseClass reuse(SessionMode mode) const = 0;
  virtual Addressable addressable() const { return Addressable::kEveryPrefix; }
  virtual SecondQuestion second_question() const { return SecondQuestion::kAppends; }
};

// A cache that is kept and read whole, and by default attended whole: full attention, and what
// methods have of it that only change how a prompt is computed.
class DenseContract : public KvContract {
 public:
  PairBounds prefill_pairs(const AttentionLayer& layer, Tokens fresh, Tokens cached) const override;
  Bytes kept_bytes(const AttentionLayer& layer, Tokens tokens) const override;
  DecodeReads decode_reads(const AttentionLayer& layer, Tokens tokens) const override;
};

// Causal pairs of all query heads: token i of the fresh ones sees the cached ones and i + 1.
double causal_pairs(const AttentionLayer& layer, Tokens fresh, Tokens cached);
// K and V of so many tokens in all kv heads, as the model computes them.
Bytes dense_bytes(const AttentionLayer& layer, Tokens tokens);

// The present state, and those saved at shorter lengths than this one.
Bytes kept_bytes(const RecurrentLayer& layer, Tokens tokens);
// Every step reads the state, and nothing else.
DecodeReads decode_reads(const RecurrentLayer& layer);
// What becomes of a method's reuse on a model that has such layers, alone or beside attention: an
// exact cache is a snapshot, and what would be used at another offset cannot be, as a state has
// read all that was before it. A cache that can be had at every prefix can be had at saved points,
// and where there are none as a whole.
ReuseClass reuse_of_recurrent(ReuseClass reuse);
Addressable addressable_of_recurrent(Addressable addressable, Tokens saved_every);

}  // namespace scsim::methods
