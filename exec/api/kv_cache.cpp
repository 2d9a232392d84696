#include "exec/api/kv_cache.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>

#include "exec/api/kv_cache_layer.h"
#include "traces/check.h"

namespace scsim::exec {
namespace {

std::size_t at_index(std::int64_t i) { return static_cast<std::size_t>(i); }

std::int64_t pages_for(std::int64_t tokens, std::int64_t page_tokens) {
  return (tokens + page_tokens - 1) / page_tokens;
}

// Copies rows[i][h / repeat], the key or value of one token, to row `to[h * tokens + i]` of a pool
// seen as rows.
void copy_rows(const at::Tensor& pool, std::span<const std::int64_t> to, const at::Tensor& rows,
               std::int64_t repeat) {
  const std::int64_t tokens = rows.size(0), heads = rows.size(1) * repeat, dim = rows.size(2);
  if (pool.is_cpu() && rows.stride(2) == 1) {
    const std::size_t width = at_index(dim) * pool.element_size();
    char* const base = static_cast<char*>(pool.mutable_data_ptr());
    const char* const from = static_cast<const char*>(rows.const_data_ptr());
    const std::int64_t element = static_cast<std::int64_t>(pool.element_size());
    for (std::int64_t h = 0; h < heads; ++h) {
      for (std::int64_t i = 0; i < tokens; ++i) {
        std::memcpy(base + at_index(to[at_index(h * tokens + i)]) * width,
                    from + (i * rows.stride(0) + h / repeat * rows.stride(1)) * element, width);
      }
    }
    return;
  }
  at::Tensor index = at::empty({tokens * heads}, at::kLong);
  std::copy(to.begin(), to.end(), index.mutable_data_ptr<std::int64_t>());
  pool.view({-1, dim}).index_copy_(
      0, index.to(pool.device()),
      rows.transpose(0, 1).repeat_interleave(repeat, 0).reshape({-1, dim}));
}

}  // namespace

RecurrentState::RecurrentState(std::shared_ptr<KvMemory> in, std::vector<at::Tensor> of,
                               Measure& measure)
    : memory(std::move(in)), tensors(std::move(of)) {
  for (const at::Tensor& tensor : tensors) bytes += static_cast<std::int64_t>(tensor.nbytes());
  memory->allocate_recurrent(bytes, measure);
}

void KvCache::Layer::set_pages(std::size_t number, std::vector<PageRef> pages,
                               std::int64_t tokens) {
  const auto others = [](const std::vector<PageRef>& of) {
    return std::ranges::count_if(of, [](PageRef p) { return p.pool != KvMemory::kDevice; });
  };
  Head& head = heads[number];
  elsewhere += others(pages) - others(head.pages);
  for (std::size_t i = 0; i < pages.size(); ++i) {
    table.set_page(static_cast<std::int64_t>(number), static_cast<std::int64_t>(i), pages[i].page);
  }
  table.set_length(static_cast<std::int64_t>(number), tokens);
  head.pages = std::move(pages);
  head.length = head.packed + tokens;
}

void KvCache::Layer::set_blocks(std::size_t number, std::vector<PageRef> of, std::int64_t tokens) {
  Head& head = heads[number];
  for (std::size_t i = 0; i < of.size(); ++i) {
    blocks.set_page(static_cast<std::int64_t>(number), static_cast<std::int64_t>(i), of[i].page);
  }
  blocks.set_length(static_cast<std::int64_t>(number), tokens);
  head.length += tokens - head.packed;
  head.packed = tokens;
  head.blocks = std::move(of);
}

std::vector<PageRef> KvCache::Layer::distinct_pages() const {
  std::vector<PageRef> pages;
  for (const Head& head : heads) {
    pages.insert(pages.end(), head.pages.begin(), head.pages.end());
    pages.insert(pages.end(), head.blocks.begin(), head.blocks.end());
  }
  const auto place = [](PageRef p) { return std::pair(p.pool, p.page); };
  std::ranges::sort(pages, {}, place);
  pages.erase(std::unique(pages.begin(), pages.end()), pages.end());
  return pages;
}

KvCache::KvCache(std::shared_ptr<KvMemory> memory, const KvShape& shape)
    : memory_(std::move(memory)), kv_heads_(shape.kv_heads), layers_(at_index(shape.layers)) {
  SCSIM_CHECK(shape.kinds.empty() || shape.kinds.size() == layers_.size());
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    Layer& layer = layers_[i];
    if (!shape.kinds.empty()) layer.kind = shape.kinds[i];
    if (layer.kind == LayerKind::kRecurrent) continue;
    layer.heads.resize(at_index(kv_heads_));
    layer.table = BlockTable(kv_heads_);
    layer.blocks = BlockTable(kv_heads_);
  }
}

KvCache::~KvCache() { release_all(); }

KvCache::KvCache(KvCache&& other) noexcept = default;

KvCache& KvCache::operator=(KvCache&& other) noexcept {
  if (this == &other) return *this;
  release_all();
  memory_ = std::move(other.memory_);
  kv_heads_ = other.kv_heads_;
  tokens_seen_ = other.tokens_seen_;
  layers_ = std::move(other.layers_);
  method_state_ = std::move(other.method_state_);
  return *this;
}

void KvCache::release_all() {
  for (Layer& layer : layers_) {
    for (Head& head : layer.heads) {
      for (const PageRef& page : head.pages) memory_->give_back(page, nullptr);
      for (const PageRef& block : head.blocks) memory_->give_back(block, nullptr);
    }
  }
  layers_.clear();
}

std::int64_t KvCache::layers() const { return static_cast<std::int64_t>(layers_.size()); }
std::int64_t KvCache::kv_heads() const { return kv_heads_; }
std::int64_t KvCache::heads(std::int64_t layer) const {
  return std::ssize(layers_[at_index(layer)].heads);
}
std::int64_t KvCache::tokens_seen() const { return tokens_seen_; }
void KvCache::advance(std::int64_t tokens) { tokens_seen_ += tokens; }

std::int64_t KvCache::length(std::int64_t layer, std::int64_t head) const {
  return layers_[at_index(layer)].heads[at_index(head)].length;
}

bool KvCache::dense() const {
  for (const Layer& layer : layers_) {
    for (const Head& head : layer.heads) {
      if (head.length != tokens_seen_) return false;
    }
  }
  return true;
}

KvBytes KvCache::bytes() const {
  KvBytes bytes;
  for (const Layer& layer : layers_) {
    for (const PageRef& page : layer.distinct_pages()) {
      const std::int64_t size = memory_->pool(page.pool).page_bytes();
      if (page.pool == KvMemory::kDevice) {
        bytes.device += size;
      } else if (page.pool == KvMemory::kHost) {
        bytes.host += size;
      } else {
        bytes.quantised += size;
      }
    }
    if (layer.state) bytes.recurrent += layer.state->bytes;
    for (const auto& [tokens, state] : layer.saved) {
      if (state != layer.state) bytes.saved += state->bytes;
    }
  }
  if (method_state_) bytes.method = method_state_->bytes();
  return bytes;
}

std::int64_t KvCache::pages() const {
  std::int64_t pages = 0;
  for (const Layer& layer : layers_) pages += std::ssize(layer.distinct_pages());
  return pages;
}

void KvCache::expand_heads(std::int64_t layer_number, std::int64_t query_heads) {
  Layer& layer = layers_[at_index(layer_number)];
  SCSIM_CHECK(layer.kind == LayerKind::kPaged);
  const std::int64_t before = std::ssize(layer.heads), group = query_heads / before;
  SCSIM_CHECK_EQ(group * before, query_heads);
  if (group == 1) return;
  std::vector<Head> heads = std::move(layer.heads);
  layer.heads.assign(at_index(query_heads), {});
  layer.table = BlockTable(query_heads);
  layer.blocks = BlockTable(query_heads);
  layer.elsewhere = 0;
  for (std::size_t h = 0; h < layer.heads.size(); ++h) {
    const Head& from = heads[h / at_index(group)];
    SCSIM_CHECK_EQ(from.packed, 0);
    if (h % at_index(group) != 0) {
      for (const PageRef& page : from.pages) memory_->share(page);
    }
    layer.set_pages(h, from.pages, from.length);
  }
}

// Heads of one layer share pages only where expand_heads() made them, so at the same number.
bool KvCache::shared_between_heads(const Layer& layer, std::size_t head, std::size_t number) {
  const PageRef page = layer.heads[head].pages[number];
  for (std::size_t other = 0; other < layer.heads.size(); ++other) {
    const std::vector<PageRef>& pages = layer.heads[other].pages;
    if (other != head && number < pages.size() && pages[number] == page) return true;
  }
  return false;
}

KvCache KvCache::fork() const {
  KvCache other(memory_, {});
  other.kv_heads_ = kv_heads_;
  other.tokens_seen_ = tokens_seen_;
  other.layers_ = layers_;
  other.method_state_ = method_state_;
  for (const Layer& layer : layers_) {
    for (const Head& head : layer.heads) {
      for (const PageRef& page : head.pages) memory_->share(page);
      for (const PageRef& block : head.blocks) memory_->share(block);
    }
  }
  return other;
}

std::int64_t KvCache::longest_prefix(std::int64_t tokens) const {
  if (tokens == tokens_seen_) return tokens;
  std::int64_t longest = tokens;
  for (const Layer& layer : layers_) {
    if (layer.kind == LayerKind::kPaged) continue;
    // Every recurrent layer has the same points.
    std::int64_t point = 0;
    for (const auto& [saved_at, state] : layer.saved) {
      if (saved_at <= tokens) point = saved_at;
    }
    longest = std::min(longest, point);
  }
  return longest;
}

KvCache KvCache::fork_prefix(std::int64_t tokens) const {
  SCSIM_CHECK(dense());
  SCSIM_CHECK_LE(tokens, tokens_seen_);
  SCSIM_CHECK_EQ(tokens, longest_prefix(tokens));
  KvCache other = fork();
  const auto cut = [&](std::vector<PageRef> pages, std::int64_t kept) {
    for (std::int64_t i = kept; i < std::ssize(pages); ++i) {
      memory_->give_back(pages[at_index(i)], nullptr);
    }
    pages.resize(at_index(kept));
    return pages;
  };
  for (Layer& layer : other.layers_) {
    if (layer.kind == LayerKind::kRecurrent && tokens < tokens_seen_) {
      std::erase_if(layer.saved, [&](const auto& point) { return point.first > tokens; });
      layer.state = tokens == 0 ? nullptr : layer.saved.back().second;
    }
    for (std::size_t h = 0; h < layer.heads.size(); ++h) {
      Head& head = layer.heads[h];
      const std::int64_t packed = std::min(tokens, head.packed), rest = tokens - packed;
      if (packed < head.packed) {
        layer.set_blocks(h, cut(head.blocks, pages_for(packed, block_tokens(head.blocks))), packed);
      }
      layer.set_pages(h, cut(head.pages, pages_for(rest, memory_->options().page_tokens)), rest);
    }
  }
  other.tokens_seen_ = tokens;
  return other;
}

std::int64_t KvCache::pages_to_append(std::int64_t tokens) const {
  std::int64_t pages = 0;
  for (std::int64_t i = 0; i < layers(); ++i) pages += pages_to_append(i, tokens);
  return pages;
}

std::int64_t KvCache::pages_to_append(std::int64_t layer, std::int64_t tokens) const {
  if (tokens == 0) return 0;
  const std::int64_t page_tokens = memory_->options().page_tokens;
  std::int64_t pages = 0;
  std::vector<PageRef> begun;  // last pages that heads share: the last of these heads keeps it
  for (const Head& head : layers_[at_index(layer)].heads) {
    const std::int64_t held = head.unpacked() + in_partial_block(head);
    pages += pages_for(held + tokens, page_tokens) - std::ssize(head.pages);
    if (head.unpacked() % page_tokens == 0) continue;
    const PageRef last = head.pages.back();
    if (!copied_before_write(last)) continue;
    ++pages;
    if (last.pool != KvMemory::kDevice) continue;
    begun.push_back(last);
    if (std::ranges::count(begun, last) == memory_->pool(last.pool).owners(last.page)) --pages;
  }
  return pages;
}

std::int64_t KvCache::block_tokens(std::span<const PageRef> blocks) const {
  return memory_->format(blocks.front().pool).group;
}

std::int64_t KvCache::in_partial_block(const Head& head) const {
  return head.blocks.empty() ? 0 : head.packed % block_tokens(head.blocks);
}

// A page that is written to must be on the device and this cache's own.
bool KvCache::copied_before_write(PageRef page) const {
  return page.pool != KvMemory::kDevice || memory_->pool(page.pool).owners(page.page) > 1;
}

bool KvCache::append(std::int64_t layer_number, const at::Tensor& k, const at::Tensor& v,
                     Measure& measure) {
  Layer& layer = layers_[at_index(layer_number)];
  const KvMemoryOptions& options = memory_->options();
  SCSIM_CHECK(layer.kind == LayerKind::kPaged);
  SCSIM_CHECK_EQ(k.size(1), kv_heads_);
  SCSIM_CHECK_EQ(k.size(2), options.head_dim);
  const std::int64_t heads = std::ssize(layer.heads);
  SCSIM_CHECK(k.sizes() == v.sizes());
  SCSIM_CHECK(k.scalar_type() == options.type && v.scalar_type() == options.type);
  const std::int64_t tokens = k.size(0), page_tokens = options.page_tokens;
  if (tokens == 0) return true;
  PagePool& pool = memory_->pool(KvMemory::kDevice);
  if (!pool.can_allocate(pages_to_append(layer_number, tokens))) return false;

  std::vector<std::int64_t> key_rows;
  key_rows.reserve(at_index(heads * tokens));
  for (std::int64_t h = 0; h < heads; ++h) {
    Head& head = layer.heads[at_index(h)];
    if (in_partial_block(head) > 0) {
      SCSIM_CHECK(unpack(layer, at_index(h), std::ssize(head.blocks) - 1, measure));
    }
    if (head.unpacked() % page_tokens != 0 && copied_before_write(head.pages.back())) {
      own_page(layer, at_index(h), head.pages.size() - 1, measure);
    }
    const std::int64_t before = head.unpacked();
    while (std::ssize(head.pages) < pages_for(before + tokens, page_tokens)) {
      head.pages.push_back(memory_->take(KvMemory::kDevice, measure));
      layer.table.set_page(h, std::ssize(head.pages) - 1, head.pages.back().page);
    }
    for (std::int64_t i = before; i < before + tokens; ++i) {
      const std::int64_t page = head.pages[at_index(i / page_tokens)].page;
      key_rows.push_back(2 * page * page_tokens + i % page_tokens);
    }
    head.length += tokens;
    layer.table.set_length(h, head.unpacked());
  }
  write_rows(layer, key_rows, k, v);
  return true;
}

void KvCache::adopt(std::span<const PageRef> pages) {
  SCSIM_CHECK(dense());
  SCSIM_CHECK_EQ(tokens_seen_ % memory_->options().page_tokens, 0);
  auto page = pages.begin();
  for (Layer& layer : layers_) {
    SCSIM_CHECK(layer.kind == LayerKind::kPaged);
    for (std::size_t h = 0; h < layer.heads.size(); ++h) {
      SCSIM_CHECK(page != pages.end());
      std::vector<PageRef> held = layer.heads[h].pages;
      held.push_back(*page);
      memory_->share(*page++);
      layer.set_pages(h, std::move(held),
                      layer.heads[h].unpacked() + memory_->options().page_tokens);
    }
  }
  SCSIM_CHECK(page == pages.end());
  tokens_seen_ += memory_->options().page_tokens;
}

// Gives a head a device page of its own with what the page holds.
void KvCache::own_page(Layer& layer, std::size_t head, std::size_t number, Measure& measure) {
  PageRef& page = layer.heads[head].pages[number];
  const PageRef old = page, own = memory_->take(KvMemory::kDevice, measure);
  memory_->write({&own, 1}, memory_->read({&old, 1}));
  measure.now().bytes_moved += memory_->pool(KvMemory::kDevice).page_bytes();
  if (old.pool != KvMemory::kDevice) --layer.elsewhere;
  memory_->give_back(old, &measure);
  page = own;
  layer.table.set_page(static_cast<std::int64_t>(head), static_cast<std::int64_t>(number),
                       own.page);
}

// Token i of head h to row key_rows[h * tokens + i] of the device pool; values follow their keys.
void KvCache::write_rows(const Layer& layer, std::vector<std::int64_t>& key_rows,
                         const at::Tensor& k, const at::Tensor& v) {
  const at::Tensor& pool = memory_->pool(KvMemory::kDevice).tensor();
  const std::int64_t repeat = std::ssize(layer.heads) / kv_heads_;
  copy_rows(pool, key_rows, k, repeat);
  for (std::int64_t& row : key_rows) row += memory_->options().page_tokens;
  copy_rows(pool, key_rows, v, repeat);
}

std::optional<CacheView> KvCache::view(std::int64_t layer_number, Measure& measure) const {
  const Layer& layer = layers_[at_index(layer_number)];
  const at::Device device = memory_->options().device;
  std::optional<PackedView> packed;
  for (const Head& head : layer.heads) {
    if (head.blocks.empty()) continue;
    const std::uint8_t pool = head.blocks.front().pool;
    SCSIM_CHECK(!packed || packed->format == memory_->format(pool));
    packed = PackedView{.format = memory_->format(pool),
                        .pool = memory_->pool(pool).tensor(),
                        .block_table = layer.blocks.pages(device),
                        .kv_lengths = layer.blocks.lengths(device),
                        .host_lengths = layer.blocks.host_lengths()};
  }
  if (layer.elsewhere == 0) {
    return CacheView{.pool = memory_->pool(KvMemory::kDevice).tensor(),
                     .block_table = layer.table.pages(device),
                     .kv_lengths = layer.table.lengths(device),
                     .host_lengths = layer.table.host_lengths(),
                     .staged = nullptr,
                     .packed = std::move(packed),
                     .on_host = false};
  }
  std::vector<std::vector<std::int32_t>> all(layer.heads.size());
  for (std::size_t h = 0; h < all.size(); ++h) {
    for (std::size_t i = 0; i < layer.heads[h].pages.size(); ++i) {
      all[h].push_back(static_cast<std::int32_t>(i));
    }
  }
  std::optional<CacheView> view = view_pages(layer_number, all, measure);
  if (view) view->packed = std::move(packed);
  return view;
}

std::optional<CacheView> KvCache::view_pages(std::int64_t layer_number,
                                             std::span<const std::vector<std::int32_t>> chosen,
                                             Measure& measure) const {
  const Layer& layer = layers_[at_index(layer_number)];
  const std::int64_t page_tokens = memory_->options().page_tokens;
  SCSIM_CHECK_EQ(chosen.size(), layer.heads.size());

  std::vector<PageRef> away;  // chosen pages that must be brought in
  for (std::size_t h = 0; h < chosen.size(); ++h) {
    for (const std::int32_t number : chosen[h]) {
      const PageRef page = layer.heads[h].pages[at_index(number)];
      if (page.pool != KvMemory::kDevice) away.push_back(page);
    }
  }
  std::shared_ptr<StagedPages> staged;
  if (!away.empty()) {
    PagePool& pool = memory_->pool(KvMemory::kDevice);
    if (!pool.can_allocate(std::ssize(away))) return std::nullopt;
    staged = std::make_shared<StagedPages>(memory_);
    for (const PageRef& page : away) {
      staged->pages.push_back(memory_->take(KvMemory::kDevice, measure));
      measure.now().bytes_freed += pool.page_bytes();  // with the view, which ends in this stage
      if (page.pool == KvMemory::kHost) measure.now().bytes_moved += pool.page_bytes();
    }
    memory_->write(staged->pages, memory_->read(away));
  }

  BlockTable table(std::ssize(layer.heads));
  std::size_t next = 0;
  for (std::size_t h = 0; h < chosen.size(); ++h) {
    const Head& head = layer.heads[h];
    std::int64_t length = 0, entries = 0, before = -1;
    for (const std::int32_t number : chosen[h]) {
      SCSIM_CHECK_GT(number, before);
      before = number;
      PageRef page = head.pages[at_index(number)];
      if (page.pool != KvMemory::kDevice) page = staged->pages[next++];
      table.set_page(static_cast<std::int64_t>(h), entries++, page.page);
      length += std::min(page_tokens, head.unpacked() - number * page_tokens);
    }
    table.set_length(static_cast<std::int64_t>(h), length);
  }
  const at::Device device = memory_->options().device;
  return CacheView{.pool = memory_->pool(KvMemory::kDevice).tensor(),
                   .block_table = table.pages(device),
                   .kv_lengths = table.lengths(device),
                   .host_lengths = table.host_lengths(),
                   .staged = std::move(staged),
                   .packed = std::nullopt,
                   .on_host = false};
}

CacheView KvCache::view_in_place(std::int64_t layer_number, std::uint8_t pool) const {
  SCSIM_CHECK_LT(pool, KvMemory::kFirstQuantised);
  const Layer& layer = layers_[at_index(layer_number)];
  const at::Tensor& pages = memory_->pool(pool).tensor();
  return CacheView{.pool = pages,
                   .block_table = layer.table.pages(pages.device()),
                   .kv_lengths = layer.table.lengths(pages.device()),
                   .host_lengths = layer.table.host_lengths(),
                   .staged = nullptr,
                   .packed = std::nullopt,
                   .on_host = pool == KvMemory::kHost};
}

std::int64_t KvCache::num_pages(std::int64_t layer, std::int64_t head) const {
  return std::ssize(layers_[at_index(layer)].heads[at_index(head)].pages);
}

const PageRef& KvCache::page(std::int64_t layer, std::int64_t head, std::int64_t number) const {
  return layers_[at_index(layer)].heads[at_index(head)].pages[at_index(number)];
}

std::int64_t KvCache::packed(std::int64_t layer, std::int64_t head) const {
  return layers_[at_index(layer)].heads[at_index(head)].packed;
}

std::span<const PageRef> KvCache::blocks(std::int64_t layer, std::int64_t head) const {
  return layers_[at_index(layer)].heads[at_index(head)].blocks;
}

// Keys and values of some tokens of pages or blocks, [2, count, head_dim].
at::Tensor KvCache::rows_in(std::span<const PageRef> pages, std::int64_t first,
                            std::int64_t count) const {
  const std::int64_t tokens = pages.empty() || pages.front().pool < KvMemory::kFirstQuantised
                                  ? memory_->options().page_tokens
                                  : block_tokens(pages);
  const std::int64_t page = first / tokens;
  const at::Tensor read = memory_->read(
      pages.subspan(at_index(page), at_index(pages_for(first + count, tokens) - page)));
  return read.transpose(0, 1)
      .reshape({2, read.size(0) * tokens, read.size(3)})
      .narrow(1, first - page * tokens, count);
}

std::pair<at::Tensor, at::Tensor> KvCache::rows(std::int64_t layer, std::int64_t head) const {
  return rows(layer, head, 0, length(layer, head));
}

std::pair<at::Tensor, at::Tensor> KvCache::rows(std::int64_t layer, std::int64_t head,
                                                std::int64_t first, std::int64_t count) const {
  const Head& held = layers_[at_index(layer)].heads[at_index(head)];
  SCSIM_CHECK_LE(first + count, held.length);
  at::Tensor both;
  if (first < held.packed) {
    const std::int64_t from_blocks = std::min(count, held.packed - first);
    both = rows_in(held.blocks, first, from_blocks);
    if (count > from_blocks) {
      both = at::cat({both, rows_in(held.pages, 0, count - from_blocks)}, 1);
    }
  } else {
    both = rows_in(held.pages, first - held.packed, count);
  }
  return {both[0], both[1]};
}

std::span<const at::Tensor> KvCache::state(std::int64_t layer) const {
  const auto& state = layers_[at_index(layer)].state;
  return state ? std::span<const at::Tensor>(state->tensors) : std::span<const at::Tensor>();
}

void KvCache::set_state(std::int64_t layer, std::vector<at::Tensor> tensors, Measure& measure) {
  SCSIM_CHECK(layers_[at_index(layer)].kind == LayerKind::kRecurrent);
  std::shared_ptr<RecurrentState>& state = layers_[at_index(layer)].state;
  if (state.use_count() == 1) measure.now().bytes_freed += state->bytes;
  state.reset();
  state = std::make_shared<RecurrentState>(memory_, std::move(tensors), measure);
}

std::span<at::Tensor> KvCache::mutable_state(std::int64_t layer, Measure& measure) {
  std::shared_ptr<RecurrentState>& state = layers_[at_index(layer)].state;
  if (!state) return {};
  if (state.use_count() > 1) {
    std::vector<at::Tensor> copies;
    for (const at::Tensor& tensor : state->tensors) copies.push_back(tensor.clone());
    measure.now().bytes_moved += state->bytes;
    set_state(layer, std::move(copies), measure);
  }
  return state->tensors;
}

void KvCache::save_point(std::int64_t layer_number, std::int64_t tokens) {
  Layer& layer = layers_[at_index(layer_number)];
  SCSIM_CHECK(layer.state != nullptr);
  SCSIM_CHECK(layer.saved.empty() || layer.saved.back().first < tokens);
  layer.saved.emplace_back(tokens, layer.state);
}

void KvCache::set_method_state(std::unique_ptr<MethodState> state) {
  method_state_ = std::move(state);
}

MethodState* KvCache::mutable_method_state() {
  if (method_state_ && method_state_.use_count() > 1) method_state_ = method_state_->clone();
  return method_state_.get();
}

}  // namespace scsim::exec
