// Random things that several tasks are made of.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "traces/rng.h"

namespace scsim::exec {

std::string draw_uuid(Rng& rng);  // version 4, 36 characters
// `length` characters, each from first .. last.
std::string draw_text(Rng& rng, std::size_t length, char first, char last);
std::string draw_digits(Rng& rng, std::size_t length);  // the first is not 0

template <class T>
void shuffle(Rng& rng, std::vector<T>& items) {
  for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[rng.below(i)]);
}

// `picks` different indices below n, one out of each of as many equal parts, in random order: what
// is asked lies at all depths, and depth has nothing to do with the turn. REQUIRES: picks <= n.
std::vector<std::size_t> spread(Rng& rng, std::size_t n, std::size_t picks);

// Places for `picks` things among n, each 0 .. n, ascending.
std::vector<std::size_t> places(Rng& rng, std::size_t n, std::size_t picks);

}  // namespace scsim::exec
