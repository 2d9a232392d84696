#include "methods/llmlingua/rule.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <ranges>

namespace scsim::methods {
namespace {

using exec::Measure;
using exec::TokenReader;
using Positions = std::vector<std::int64_t>;

Expected<std::vector<float>> read_at(TokenReader& reader, std::span<const std::int32_t> tokens,
                                     std::span<const std::int64_t> positions, Measure& measure) {
  std::vector<std::int32_t> chosen;
  for (const std::int64_t at : positions) chosen.push_back(tokens[static_cast<std::size_t>(at)]);
  return reader.read(chosen, measure);
}

// A whole number of Python's as a bound of a slice of `count`.
std::int64_t slice_bound(std::int64_t bound, std::int64_t count) {
  return std::clamp<std::int64_t>(bound < 0 ? bound + count : bound, 0, count);
}

// Whatever is as surprising as this, or less, goes.
float released_threshold(std::vector<float> losses, double rate) {
  const auto count = std::ssize(losses);
  const auto last = std::clamp<std::int64_t>(
      static_cast<std::int64_t>(static_cast<double>(count) * rate) - 1, 0, count - 1);
  std::ranges::nth_element(losses, losses.begin() + last, std::greater<>());
  return losses[static_cast<std::size_t>(last)];
}

}  // namespace

Expected<Positions> keep_as_in_paper(const LinguaTokens& of, Measure& measure) {
  const std::int64_t all = std::ssize(of.tokens);
  Positions kept;
  Positions fresh;  // of the segment before, not read yet
  std::unique_ptr<TokenReader> behind = of.reader.fork();
  for (std::int64_t begin = 0; begin < all; begin += of.segment) {
    if (const auto read = read_at(*behind, of.tokens, fresh, measure); !read) return read.error();
    const std::int64_t count = std::min(of.segment, all - begin);
    const auto found = behind->fork()->read(
        of.tokens.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count)),
        measure);
    if (!found) return found.error();
    Positions order(static_cast<std::size_t>(count));
    std::iota(order.begin(), order.end(), begin);
    std::ranges::stable_sort(
        order, {}, [&](std::int64_t at) { return (*found)[static_cast<std::size_t>(at - begin)]; });
    const double share = of.target / static_cast<double>(all) * static_cast<double>(count);
    order.resize(static_cast<std::size_t>(
        std::min(count, static_cast<std::int64_t>(std::ceil(share - 1e-9)))));
    std::ranges::sort(order);
    kept.insert(kept.end(), order.begin(), order.end());
    fresh = std::move(order);
  }
  return kept;
}

Expected<Positions> keep_as_released(const LinguaTokens& of, Measure& measure) {
  const std::int64_t all = std::ssize(of.tokens), size = of.segment;
  Positions kept(static_cast<std::size_t>(all));  // of what was dropped so far
  std::iota(kept.begin(), kept.end(), 0);
  if (all < 2) return kept;
  const double rate = std::min(1.0, of.target / static_cast<double>(all + 3));
  // losses[i] is the surprise of the token behind kept[i].
  std::vector<float> losses;
  {
    auto found = of.reader.fork()->read(of.tokens, measure);
    if (!found) return found.error();
    for (const float known : *found | std::views::drop(1)) losses.push_back(-known);
  }
  std::unique_ptr<TokenReader> behind = of.reader.fork();
  std::int64_t read = 0;        // of the kept ones, by `behind`: up to the segment before this one
  std::int64_t left = all + 2;  // of what segments are cut from
  for (std::int64_t end = std::min(size, all), number = 0; end <= std::ssize(kept) && left > 0;
       ++number) {
    if (number > 0) {
      // The segment before, as it is now, and this one; neither's first token is scored again where
      // it was the first to be read.
      const std::int64_t begin = end - size, from = read;
      const std::span<const std::int64_t> positions(kept);
      const auto part = [&](std::int64_t first, std::int64_t last) {
        return positions.subspan(static_cast<std::size_t>(first),
                                 static_cast<std::size_t>(last - first));
      };
      auto found = read_at(*behind, of.tokens, part(read, begin), measure);
      if (!found) return found.error();
      read = begin;
      const auto more = read_at(*behind->fork(), of.tokens, part(begin, end), measure);
      if (!more) return more.error();
      found->insert(found->end(), more->begin(), more->end());
      for (std::int64_t at = from + 1; at < end; ++at) {
        losses[static_cast<std::size_t>(at - 1)] = -(*found)[static_cast<std::size_t>(at - from)];
      }
    }
    const std::int64_t width = std::min(left, number == 0 && left + 1 >= size ? size - 1
                                              : number == 0                   ? left
                                                                              : size);
    left -= width;
    const float threshold = released_threshold(losses, rate);
    const std::int64_t count = std::ssize(kept);
    const std::int64_t first = slice_bound(end - size, count);
    const std::int64_t last = slice_bound(end - size + width, count);
    Positions still;
    std::vector<float> their_losses;
    std::int64_t dropped = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const bool stays = i < first || i >= last || i + 1 == count || losses[at] > threshold;
      if (!stays) {
        ++dropped;
        continue;
      }
      still.push_back(kept[at]);
      if (i + 1 < count) their_losses.push_back(losses[at]);
    }
    kept = std::move(still);
    losses = std::move(their_losses);
    end += width - dropped;
  }
  return kept;
}

std::vector<std::size_t> keep_documents(std::span<const double> surprises,
                                        std::span<const std::int64_t> tokens, double budget) {
  std::vector<std::size_t> order(surprises.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::greater<>(), [&](std::size_t i) { return surprises[i]; });
  std::size_t kept = 0;
  for (double left = budget; kept < order.size() && left >= 0; ++kept) {
    left -= static_cast<double>(tokens[order[kept]]);
  }
  order.resize(kept);
  std::ranges::sort(order);
  return order;
}

}  // namespace scsim::methods
