#include "exec/tasks/draw.h"

#include <algorithm>

#include "traces/check.h"

namespace scsim::exec {

std::string draw_uuid(Rng& rng) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string uuid = "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx";
  for (char& c : uuid) {
    if (c == 'x') c = kHex[rng.below(16)];
    if (c == 'y') c = kHex[8 + rng.below(4)];
  }
  return uuid;
}

std::string draw_text(Rng& rng, std::size_t length, char first, char last) {
  std::string text(length, first);
  for (char& c : text) {
    c = static_cast<char>(
        first + static_cast<char>(rng.below(static_cast<std::uint64_t>(last - first) + 1)));
  }
  return text;
}

std::string draw_digits(Rng& rng, std::size_t length) {
  SCSIM_CHECK_GT(length, std::size_t{0});
  return draw_text(rng, 1, '1', '9') + draw_text(rng, length - 1, '0', '9');
}

std::vector<std::size_t> spread(Rng& rng, std::size_t n, std::size_t picks) {
  SCSIM_CHECK_LE(picks, n);
  std::vector<std::size_t> picked;
  for (std::size_t i = 0; i < picks; ++i) {
    const std::size_t begin = n * i / picks, end = n * (i + 1) / picks;
    picked.push_back(begin + rng.below(end - begin));
  }
  shuffle(rng, picked);
  return picked;
}

std::vector<std::size_t> places(Rng& rng, std::size_t n, std::size_t picks) {
  std::vector<std::size_t> drawn;
  for (std::size_t i = 0; i < picks; ++i) drawn.push_back(rng.below(n + 1));
  std::ranges::sort(drawn);
  return drawn;
}

}  // namespace scsim::exec
