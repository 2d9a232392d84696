// How a cache becomes smaller or moves: keep, quantise and round, and pages to the host and back.
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
  Head& head = layer.heads[at_index(head_number)];
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
  if (head.packed > 0) {
    if (in_place == head.length) return true;
    if (!unpack(layer, at_index(head_number), 0, measure)) return false;
  }
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
  for (std::size_t h = 0; h < layer.heads.size(); ++h) {
    if (layer.heads[h].packed > 0 && !unpack(layer, h, 0, measure)) return false;
  }
  // The pages to copy first: each head's own numbers, as it goes on with its copy.
  std::vector<std::pair<std::size_t, std::size_t>> copied;
  for (std::int64_t h = 0; h < heads; ++h) {
    const Head& head = layer.heads[at_index(h)];
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
      const std::int64_t page =
          layer.heads[at_index(h)].pages[at_index(position / page_tokens)].page;
      key_rows.push_back(2 * page * page_tokens + position % page_tokens);
    }
  }
  write_rows(layer, key_rows, k, v);
  return true;
}

// Copies pages to another pool and gives their old places back.
bool KvCache::move_pages(Layer& layer, std::size_t head_number, std::uint8_t from, std::uint8_t to,
                         std::int64_t begin, std::int64_t end, Measure& measure) {
  const Head& head = layer.heads[head_number];
  const std::int64_t page_tokens = memory_->options().page_tokens;
  // Pages hold what is not packed.
  const auto in_pages = [&](std::int64_t tokens) {
    return std::max<std::int64_t>(0, std::min(tokens, head.length) - head.packed);
  };
  const std::int64_t first = (in_pages(begin) + page_tokens - 1) / page_tokens;
  const std::int64_t whole = in_pages(end) / page_tokens;
  std::vector<PageRef> sources;
  std::vector<PageRef> pages = head.pages;
  std::vector<std::size_t> places;
  for (std::size_t i = at_index(first); i < at_index(std::max(first, whole)); ++i) {
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
  const std::int64_t tokens = head.unpacked();
  layer.set_pages(head_number, std::move(pages), tokens);
  return true;
}

// Other rows [2, tokens, head_dim] for what a head holds unpacked, in pages of their own.
bool KvCache::replace_rows(Layer& layer, std::size_t number, const at::Tensor& rows,
                           Measure& measure) {
  PagePool& pool = memory_->pool(KvMemory::kDevice);
  const Head& head = layer.heads[number];
  const std::int64_t page_tokens = memory_->options().page_tokens, tokens = rows.size(1);
  const std::int64_t needed = (tokens + page_tokens - 1) / page_tokens;
  const std::int64_t freed = std::ranges::count_if(head.pages, [&](const PageRef& page) {
    return page.pool == KvMemory::kDevice && pool.owners(page.page) == 1;
  });
  if (needed > freed && !pool.can_allocate(needed - freed)) return false;
  for (const PageRef& page : head.pages) memory_->give_back(page, &measure);
  std::vector<PageRef> pages;
  for (std::int64_t i = 0; i < needed; ++i) {
    pages.push_back(memory_->take(KvMemory::kDevice, measure));
  }
  if (needed > 0) {
    const at::Tensor contents = at::zeros({2, needed * page_tokens, rows.size(2)}, rows.options());
    contents.narrow(1, 0, tokens).copy_(rows);
    memory_->write(pages, contents.view({2, needed, page_tokens, rows.size(2)}).transpose(0, 1));
    measure.now().bytes_moved += tokens * pool.page_bytes() / page_tokens;
  }
  layer.set_pages(number, std::move(pages), tokens);
  return true;
}

// Brings what is in blocks, but for the first `kept` of them, to pages.
bool KvCache::unpack(Layer& layer, std::size_t number, std::int64_t kept, Measure& measure) {
  const Head& head = layer.heads[number];
  const std::int64_t first = kept * block_tokens(head.blocks);
  const std::span all(head.blocks);
  const at::Tensor rows = at::cat(
      {rows_in(all, first, head.packed - first), rows_in(head.pages, 0, head.unpacked())}, 1);
  if (!replace_rows(layer, number, rows, measure)) return false;
  for (const PageRef& block : all.subspan(at_index(kept))) memory_->give_back(block, &measure);
  layer.set_blocks(number, {head.blocks.begin(), head.blocks.begin() + kept}, first);
  return true;
}

bool KvCache::quantise(std::int64_t layer_number, std::int64_t tokens,
                       const QuantisedFormat& format, Measure& measure) {
  Layer& layer = layers_[at_index(layer_number)];
  const std::uint8_t pool = memory_->quantised_pool(format);
  for (std::size_t h = 0; h < layer.heads.size(); ++h) {
    Head& head = layer.heads[h];
    if (!head.blocks.empty() && head.blocks.front().pool != pool && !unpack(layer, h, 0, measure)) {
      return false;
    }
    const std::int64_t wanted = std::min(tokens, head.length) / format.group;
    const std::int64_t more = wanted - std::ssize(head.blocks);
    if (more <= 0) continue;
    const at::Tensor rows = rows_in(head.pages, 0, head.unpacked());
    const std::int64_t added = more * format.group;
    if (!replace_rows(layer, h, rows.narrow(1, added, rows.size(1) - added), measure)) return false;
    std::vector<PageRef> blocks = head.blocks, taken;
    for (std::int64_t i = 0; i < more; ++i) taken.push_back(memory_->take(pool, measure));
    memory_->write(
        taken,
        rows.narrow(1, 0, added).reshape({2, more, format.group, rows.size(2)}).transpose(0, 1));
    measure.now().bytes_moved += more * memory_->pool(pool).page_bytes();
    blocks.insert(blocks.end(), taken.begin(), taken.end());
    layer.set_blocks(h, std::move(blocks), wanted * format.group);
  }
  return true;
}

bool KvCache::round(std::int64_t layer_number, TokenRange keys, TokenRange values,
                    const QuantisedFormat& format, Measure& measure) {
  Layer& layer = layers_[at_index(layer_number)];
  const std::int64_t page_tokens = memory_->options().page_tokens;
  PagePool& pool = memory_->pool(KvMemory::kDevice);
  const auto pages_of = [&](const Head& head) {  // that change: numbers in the head
    std::vector<std::int64_t> numbers;
    for (const TokenRange range : {keys, values}) {
      if (range.begin >= range.end) continue;
      SCSIM_CHECK_GE(range.begin, head.packed);
      SCSIM_CHECK_LE(range.end, head.length);
      const std::int64_t last = (range.end - 1 - head.packed) / page_tokens;
      for (std::int64_t i = (range.begin - head.packed) / page_tokens; i <= last; ++i) {
        numbers.push_back(i);
      }
    }
    std::ranges::sort(numbers);
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
    return numbers;
  };
  std::int64_t copies = 0;
  for (const Head& head : layer.heads) {
    for (const std::int64_t i : pages_of(head)) {
      if (copied_before_write(head.pages[at_index(i)])) ++copies;
    }
  }
  if (copies > 0 && !pool.can_allocate(copies)) return false;
  for (std::size_t h = 0; h < layer.heads.size(); ++h) {
    Head& head = layer.heads[h];
    for (const std::int64_t i : pages_of(head)) {
      if (copied_before_write(head.pages[at_index(i)])) own_page(layer, h, at_index(i), measure);
    }
    round_rows(head, 0, keys, format);
    round_rows(head, 1, values, format);
  }
  return true;
}

// Of keys (which: 0) or values (1) in pages of the head's own.
void KvCache::round_rows(const Head& head, std::int64_t which, TokenRange range,
                         const QuantisedFormat& format) {
  const std::int64_t page_tokens = memory_->options().page_tokens;
  const std::int64_t dim = memory_->options().head_dim;
  const std::int64_t step = which == 0 ? format.group : std::max<std::int64_t>(1, range.end);
  at::Tensor pool = memory_->pool(KvMemory::kDevice).tensor();
  for (std::int64_t from = range.begin; from < range.end; from += step) {
    std::vector<std::int64_t> rows;
    for (std::int64_t i = from; i < std::min(from + step, range.end); ++i) {
      const std::int64_t at = i - head.packed;
      const std::int64_t page = head.pages[at_index(at / page_tokens)].page;
      rows.push_back((2 * page + which) * page_tokens + at % page_tokens);
    }
    if (pool.is_cpu() && pool.scalar_type() == at::kFloat) {
      std::vector<float*> pointers;
      for (const std::int64_t row : rows) {
        pointers.push_back(pool.mutable_data_ptr<float>() + row * dim);
      }
      (which == 0 ? round_keys : round_values)(pointers, dim, format);
    } else {
      const at::Tensor index = at::tensor(rows, at::kLong).to(pool.device());
      at::Tensor all = pool.view({-1, dim});
      const at::Tensor found = all.index_select(0, index);
      all.index_copy_(0, index, (which == 0 ? rounded_keys : rounded_values)(found, format));
    }
  }
}

bool KvCache::move_to_host(std::int64_t layer_number, std::int64_t head, std::int64_t begin,
                           std::int64_t end, Measure& measure) {
  return move_pages(layers_[at_index(layer_number)], at_index(head), KvMemory::kDevice,
                    KvMemory::kHost, begin, end, measure);
}

bool KvCache::move_to_device(std::int64_t layer_number, std::int64_t head, Measure& measure) {
  return move_pages(layers_[at_index(layer_number)], at_index(head), KvMemory::kHost,
                    KvMemory::kDevice, 0, length(layer_number, head), measure);
}

}  // namespace scsim::exec
