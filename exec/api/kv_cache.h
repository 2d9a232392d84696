// The KV cache of one sequence, on pages that forks share.
//
//   auto memory = std::make_shared<KvMemory>(KvMemoryOptions{.head_dim = 64});
//   KvCache cache(memory, {.layers = 30, .kv_heads = 3});    // empty
//   if (!cache.append(layer, k, v, measure)) ...             // k, v [tokens, kv_heads, head_dim]
//                                                            // after RoPE; false: no page is left
//   std::optional<CacheView> view = cache.view(layer, measure);     // what exec/operators read
//   KvCache other = cache.fork();            // copies nothing; whoever appends first copies the
//                                            // last, partly filled pages
//   cache.keep(layer, head, positions, measure);     // gathers what stays in fewer pages and frees
//                                                    // the rest
//   cache.quantise(layer, tokens, format, measure);  // packs the first tokens of each head
//
// Lengths are ragged: every kv head of every layer has its own. "Positions" here count the tokens a
// head holds, from 0, not where they stood in the text; a method that must know the latter keeps it
// in its MethodState. All pages of a head but its last are full.
//
// A layer has a head for each kv head of the model, or, behind expand_heads(), for each query head.
//
// A layer is paged or recurrent. A recurrent one is a few tensors, whatever the length, which
// cannot be made shorter: a shorter prefix can be had only where the state was saved
// (save_point()). Of a paged one the first tokens of a head may be packed: in blocks of few bits on
// the device, whose size is the format's and not that of a page. All others are in pages, on the
// device or on the host; pages count from the first token that is not packed. view() brings pages
// that are on the host into pages of its own, which live as long as the view; blocks are read as
// they are. Methods that read only some pages take view_pages().
//
// What fails for want of pages returns false or nothing and has changed nothing. Not thread-safe.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "exec/api/kv_memory.h"
#include "exec/api/measure.h"
#include "exec/api/method_state.h"
#include "exec/api/token_range.h"

namespace scsim::exec {

enum class LayerKind : std::uint8_t { kPaged, kRecurrent };

struct KvShape {
  std::int64_t layers = 0, kv_heads = 0;
  std::vector<LayerKind> kinds;  // of each layer; empty: all are paged
};

// Pages taken for the time of a view, released with it.
class StagedPages;

// What of a layer is packed: arguments of attention_packed.
struct PackedView {
  QuantisedFormat format;
  at::Tensor pool, block_table, kv_lengths;
  at::Tensor host_lengths;
};

// Arguments of the attention operators for one sequence: valid until the cache changes.
struct CacheView {
  at::Tensor pool;          // [pages, 2, page_tokens, head_dim]
  at::Tensor block_table;   // [1, heads, max_pages] int32, on the device
  at::Tensor kv_lengths;    // [1, heads] int32, on the device
  at::Tensor host_lengths;  // the same on the CPU
  std::shared_ptr<StagedPages> staged;
  std::optional<PackedView> packed;  // tokens before all those above
  std::int64_t heads() const { return host_lengths.size(1); }
  bool on_host = false;  // the pool is the host tier's, and so is the block table
};

// Bytes of the pages a cache refers to, those shared with forks in full, and of its states: those
// that it goes on from, and those that were saved on the way.
struct KvBytes {
  std::int64_t device = 0, host = 0, quantised = 0, recurrent = 0, saved = 0, method = 0;
  std::int64_t total() const { return device + host + quantised + recurrent + saved + method; }
};

class KvCache {
 public:
  KvCache(std::shared_ptr<KvMemory> memory, const KvShape& shape);
  ~KvCache();
  KvCache(KvCache&& other) noexcept;
  KvCache& operator=(KvCache&& other) noexcept;

  // --- The sequence.
  std::int64_t layers() const;
  std::int64_t kv_heads() const;                 // of the model
  std::int64_t heads(std::int64_t layer) const;  // that hold tokens of their own
  std::int64_t tokens_seen() const;              // also the position of the next token
  void advance(std::int64_t tokens);             // called by the model behind its last layer
  std::int64_t length(std::int64_t layer, std::int64_t head) const;  // tokens held
  bool dense() const;  // every head of a paged layer holds all tokens seen
  KvBytes bytes() const;
  std::int64_t pages() const;  // that it refers to, in all pools, each once
  KvMemory& memory() const { return *memory_; }

  KvCache fork() const;
  // Only the first `tokens`. REQUIRES: dense(), tokens <= tokens_seen(), tokens ==
  // longest_prefix(tokens).
  KvCache fork_prefix(std::int64_t tokens) const;
  // The most of the first `tokens` that fork_prefix() gives: all of them, or where a layer is
  // recurrent all that was seen, a saved point, or 0.
  std::int64_t longest_prefix(std::int64_t tokens) const;

  // --- Paged layers.
  [[nodiscard]] bool append(std::int64_t layer, const at::Tensor& k, const at::Tensor& v,
                            Measure& measure);
  // Puts full pages that others hold behind all that was seen, by reference, and advances by what
  // is in them: one for each head of each layer, in this order. REQUIRES: dense(), every layer is
  // paged, tokens_seen() is a whole number of pages.
  void adopt(std::span<const PageRef> pages);
  // Device pages that append() of `tokens` to every layer would take.
  std::int64_t pages_to_append(std::int64_t tokens) const;

  // Gives every query head a head of its own, for methods that select by query head: the heads of a
  // group begin with their kv head's pages, by reference, and append() repeats k and v for each
  // from here on. REQUIRES: query_heads is a multiple of heads(layer);
  // nothing is packed.
  void expand_heads(std::int64_t layer, std::int64_t query_heads);

  std::optional<CacheView> view(std::int64_t layer, Measure& measure) const;
  // Only some pages of each kv head: chosen[head] are their numbers in the head, ascending.
  std::optional<CacheView> view_pages(std::int64_t layer,
                                      std::span<const std::vector<std::int32_t>> chosen,
                                      Measure& measure) const;
  // The layer for operators that read listed keys where they lie, all of them in pages of one pool,
  // the device's or the host's. Costs nothing and stages nothing: other pages of the table are not
  // to be read.
  CacheView view_in_place(std::int64_t layer, std::uint8_t pool) const;
  // Tokens of a head that are packed, and their blocks; pages of all others.
  std::int64_t packed(std::int64_t layer, std::int64_t head) const;
  std::span<const PageRef> blocks(std::int64_t layer, std::int64_t head) const;
  std::int64_t num_pages(std::int64_t layer, std::int64_t head) const;
  const PageRef& page(std::int64_t layer, std::int64_t head, std::int64_t number) const;
  // Keys and values held, [length, head_dim] each, gathered on the device.
  std::pair<at::Tensor, at::Tensor> rows(std::int64_t layer, std::int64_t head) const;
  // Of the tokens first .. first + count.
  std::pair<at::Tensor, at::Tensor> rows(std::int64_t layer, std::int64_t head, std::int64_t first,
                                         std::int64_t count) const;

  // Keeps the tokens at `positions`, in that order; everything else of the head is freed. Kept
  // tokens of blocks or host pages come to pages on the device, but for leading pages that
  // are kept whole and in place: those stay as and where they are. Behind expand_heads() what is
  // kept is the head's own, and no page of it serves other heads, even if nothing is dropped.
  [[nodiscard]] bool keep(std::int64_t layer, std::int64_t head,
                          std::span<const std::int32_t> positions, Measure& measure);
  // Puts k and v [n, kv_heads, head_dim] in the place of tokens that are held: token i of head h
  // goes to positions[h * n + i]. Pages that others hold too are copied first, and those that are
  // elsewhere come to the device.
  [[nodiscard]] bool overwrite(std::int64_t layer, std::span<const std::int32_t> positions,
                               const at::Tensor& k, const at::Tensor& v, Measure& measure);
  // Packs the whole groups of tokens among the first `tokens` of each head that are not packed yet;
  // what is packed in another format is unpacked first. Those behind move up in pages of their own.
  // There is no limit on blocks. REQUIRES: format.fits(head_dim).
  [[nodiscard]] bool quantise(std::int64_t layer, std::int64_t tokens,
                              const QuantisedFormat& format, Measure& measure);
  // Gives the keys and the values of some tokens of each head, which stay in their pages, the
  // numbers that packing would leave of them. REQUIRES: none of them is packed; the keys are whole
  // groups.
  [[nodiscard]] bool round(std::int64_t layer, TokenRange keys, TokenRange values,
                           const QuantisedFormat& format, Measure& measure);
  // Moves the device pages of the head that hold nothing but tokens begin .. end to the host, or
  // all its host pages back to the device.
  [[nodiscard]] bool move_to_host(std::int64_t layer, std::int64_t head, std::int64_t begin,
                                  std::int64_t end, Measure& measure);
  [[nodiscard]] bool move_to_device(std::int64_t layer, std::int64_t head, Measure& measure);

  // --- Recurrent layers: tensors that forks share until one of them writes.
  std::span<const at::Tensor> state(std::int64_t layer) const;  // empty at first
  void set_state(std::int64_t layer, std::vector<at::Tensor> tensors, Measure& measure);
  // For writing in place: copied first if a fork shares it.
  std::span<at::Tensor> mutable_state(std::int64_t layer, Measure& measure);
  // Keeps the layer's present state, which is that behind the first `tokens` tokens: a copy is made
  // when it is written next. REQUIRES: points ascend; there is a state.
  void save_point(std::int64_t layer, std::int64_t tokens);

  // --- What a method remembers about this sequence: forked with it, shared until written.
  void set_method_state(std::unique_ptr<MethodState> state);
  const MethodState* method_state() const { return method_state_.get(); }
  MethodState* mutable_method_state();

 private:
  struct Head;
  struct Layer;
  void release_all();
  std::int64_t pages_to_append(std::int64_t layer, std::int64_t tokens) const;
  bool copied_before_write(PageRef page) const;
  void own_page(Layer& layer, std::size_t head, std::size_t number, Measure& measure);
  void write_rows(const Layer& layer, std::vector<std::int64_t>& key_rows, const at::Tensor& k,
                  const at::Tensor& v);
  static bool shared_between_heads(const Layer& layer, std::size_t head, std::size_t number);
  std::int64_t block_tokens(std::span<const PageRef> blocks) const;
  std::int64_t in_partial_block(const Head& head) const;
  at::Tensor rows_in(std::span<const PageRef> pages, std::int64_t first, std::int64_t count) const;
  bool replace_rows(Layer& layer, std::size_t head, const at::Tensor& rows, Measure& measure);
  bool unpack(Layer& layer, std::size_t head, std::int64_t blocks_kept, Measure& measure);
  void round_rows(const Head& head, std::int64_t which, TokenRange range,
                  const QuantisedFormat& format);
  bool move_pages(Layer& layer, std::size_t head, std::uint8_t from, std::uint8_t to,
                  std::int64_t begin, std::int64_t end, Measure& measure);

  std::shared_ptr<KvMemory> memory_;
  std::int64_t kv_heads_ = 0, tokens_seen_ = 0;
  std::vector<Layer> layers_;
  std::shared_ptr<MethodState> method_state_;
};

}  // namespace scsim::exec
