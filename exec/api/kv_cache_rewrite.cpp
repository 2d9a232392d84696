// How a cache becomes smaller or moves: keep, quantise, and pages to the host and back.
#include <ATen/ATen.h>

#include <algorithm>

#include "exec/api/kv_cache_layer.h"
#include "traces/check.h"

namespace scsim::exec {
namespace {

std::size_t at_index(std::int64_t i) { return static_cast<std::size_t>(i); }

}  // namespace

bool KvCache::keep(std::int64_t layer_number, std::int64_t head_number,
                   std::span<const std::int32_t> positions, Measure& measure) {
  Layer& layer = layers_[at_index(layer_number)];
  Layer::Head& head = layer.heads[at_index(head_number)];
  const std::int64_t page_tokens = memory_->options().page_tokens;
  std::vector<bool> chosen(at_index(head.length), false);
  for (const std::int32_t position : positions) {
    SCSIM_CHECK_GE(position, 0);
    SCSIM_CHECK_LT(position, head.length);
    SCSIM_CHECK(!chosen[at_index(position)]);  // each once
    chosen[at_index(position)] = true;
  }
  const std::int64_t kept = std::ssize(positions);
  const auto shared = [&](std::int64_t number) {
    return shared_between_heads(layer, at_index(head_number), at_index(number));
  };
  // Leading tokens that stay where they are, and whole pages of them.
  std::int64_t in_place = 0;
  while (in_place < kept && positions[at_index(in_place)] == in_place) ++in_place;
  std::int64_t whole = 0;
  while ((whole + 1) * page_tokens <= in_place && !shared(whole)) ++whole;
  if (in_place == head.length) {  // nothing is dropped
    bool own = true;
    for (std::int64_t i = whole; own && i < std::ssize(head.pages); ++i) own = !shared(i);
    if (own) return true;
  }

  PagePool& pool = memory_->pool(KvMemory::kDevice);
  const std::int64_t new_pages = (kept + page_tokens - 1) / page_tokens - whole;
  std::int64_t freed = 0;
  for (std::int64_t i = whole; i < std::ssize(head.pages); ++i) {
    const PageRef page = head.pages[at_index(i)];
    if (page.pool == KvMemory::kDevice && pool.owners(page.page) == 1) ++freed;
  }
  if (new_pages > freed && !pool.can_allocate(new_pages - freed)) return false;

  // Only pages that hold something kept are read; rows of the result are gathered from those.
  std::vector<PageRef> sources;
  std::vector<std::int64_t> rows;
  std::int64_t last = -1;
  for (std::int64_t i = whole * page_tokens; i < kept; ++i) {
    const std::int64_t page = positions[at_index(i)] / page_tokens;
    if (page != last) sources.push_back(head.pages[at_index(page)]);
    last = page;
    rows.push_back((std::ssize(sources) - 1) * page_tokens + positions[at_index(i)] % page_tokens);
  }
  rows.resize(at_index(new_pages * page_tokens), 0);  // what a last page has too much is not read
  at::Tensor contents;
  if (new_pages > 0) {
    const at::Tensor read = memory_->read(sources);
    const std::int64_t dim = read.size(3);
    const at::Tensor index = at::tensor(rows, at::kLong).to(read.device());
    contents = read.transpose(0, 1)
                   .reshape({2, -1, dim})
                   .index_select(1, index)
                   .reshape({2, new_pages, page_tokens, dim})
                   .transpose(0, 1)
                   .contiguous();
  }

  std::vector<PageRef> pages(head.pages.begin(), head.pages.begin() + whole), taken;
  for (std::int64_t i = whole; i < std::ssize(head.pages); ++i) {
    memory_->give_back(head.pages[at_index(i)], &measure);
  }
  for (std::int64_t i = 0; i < new_pages; ++i) {
    taken.push_back(memory_->take(KvMemory::kDevice, measure));
  }
  if (new_pages > 0) memory_->write(taken, contents);
  measure.now().bytes_moved += (kept - whole * page_tokens) * pool.page_bytes() / page_tokens;
  pages.insert(pages.end(), taken.begin(), taken.end());
  layer.set_pages(at_index(head_number), std::move(pages), kept);
  return true;
}

bool KvCache::overwrite(std::int64_t layer_number, std::span<const std::int32_t> positions,
                        const at::Tensor& k, const at::Tensor& v, Measure& measure) {
  Layer& layer = layers_[at_index(layer_number)];
  const std::int64_t page_tokens = memory_->options().page_tokens, tokens = k.size(0);
  const std::int64_t heads = std::ssize(layer.heads);
  SCSIM_CHECK_EQ(std::ssize(positions), heads * tokens);
  SCSIM_CHECK(k.sizes() == v.sizes() && k.size(1) == kv_heads_);
  PagePool& pool = memory_->pool(KvMemory::kDevice);
  // The pages to copy first: each head's own numbers, as it goes on with its copy.
  std::vector<std::pair<std::size_t, std::size_t>> copied;
  for (std::int64_t h = 0; h < heads; ++h) {
    const Layer::Head& head = layer.heads[at_index(h)];
    for (std::int64_t i = 0; i < tokens; ++i) {
      const std::int32_t position = positions[at_index(h * tokens + i)];
      SCSIM_CHECK_GE(position, 0);
      SCSIM_CHECK_LT(position, head.length);
      const std::pair place{at_index(h), at_index(position / page_tokens)};
      if (!copied_before_write(head.pages[place.second])) continue;
      if (std::ranges::find(copied, place) == copied.end()) copied.push_back(place);
    }
  }
  if (!pool.can_allocate(std::ssize(copied))) return false;
  for (const auto& [h, number] : copied) {
    PageRef& page = layer.heads[h].pages[number];
    if (!copied_before_write(page)) continue;  // the other heads that had it have copied theirs
    own_page(layer, h, number, measure);
  }
  std::vector<std::int64_t> key_rows;
  for (std::int64_t h = 0; h < heads; ++h) {
    for (std::int64_t i = 0; i < tokens; ++i) {
      const std::int32_t position = positions[at_index(h * tokens + i)];
      const PageRef page = layer.heads[at_index(h)].pages[at_index(position / page_tokens)];
      key_rows.push_back(2 * page.page * page_tokens + position % page_tokens);
    }
  }
  write_rows(layer, key_rows, k, v);
  return true;
}

// Copies pages to another pool and gives their old places back.
bool KvCache::move_pages(Layer& layer, std::size_t head_number, std::uint8_t from, std::uint8_t to,
                         std::int64_t first_tokens, Measure& measure) {
  const Layer::Head& head = layer.heads[head_number];
  const std::int64_t whole = std::min(first_tokens, head.length) / memory_->options().page_tokens;
  std::vector<PageRef> sources;
  std::vector<PageRef> pages = head.pages;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < at_index(whole); ++i) {
    if (pages[i].pool != from) continue;
    sources.push_back(pages[i]);
    places.push_back(i);
  }
  if (sources.empty()) return true;
  if (!memory_->pool(to).can_allocate(std::ssize(sources))) return false;
  std::vector<PageRef> taken;
  for (const std::size_t place : places) {
    taken.push_back(memory_->take(to, measure));
    pages[place] = taken.back();
  }
  memory_->write(taken, memory_->read(sources));
  for (const PageRef& page : sources) memory_->give_back(page, &measure);
  measure.now().bytes_moved += std::ssize(sources) * memory_->pool(to).page_bytes();
  const std::int64_t length = head.length;
  layer.set_pages(head_number, std::move(pages), length);
  return true;
}

void KvCache::quantise(std::int64_t layer_number, std::int64_t tokens,
                       const QuantisedFormat& format, Measure& measure) {
  Layer& layer = layers_[at_index(layer_number)];
  const std::uint8_t pool = memory_->quantised_pool(format);
  for (std::size_t h = 0; h < layer.heads.size(); ++h) {
    SCSIM_CHECK(move_pages(layer, h, KvMemory::kDevice, pool, tokens, measure));
  }
}

bool KvCache::move_to_host(std::int64_t layer_number, std::int64_t head, std::int64_t tokens,
                           Measure& measure) {
  return move_pages(layers_[at_index(layer_number)], at_index(head), KvMemory::kDevice,
                    KvMemory::kHost, tokens, measure);
}

bool KvCache::move_to_device(std::int64_t layer_number, std::int64_t head, Measure& measure) {
  return move_pages(layers_[at_index(layer_number)], at_index(head), KvMemory::kHost,
                    KvMemory::kDevice, length(layer_number, head), measure);
}

}  // namespace scsim::exec
