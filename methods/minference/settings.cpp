#include "methods/minference/settings.h"

#include <algorithm>
#include <cmath>

#include "traces/check.h"

namespace scsim::methods {
namespace {

std::int64_t scaled(std::int64_t size, double ratio) {
  return static_cast<std::int64_t>(std::floor(static_cast<double>(size) * ratio));
}

}  // namespace

HeadPattern MinferenceSettings::pattern(std::int64_t layer, std::int64_t head) const {
  HeadPattern found = otherwise;
  if (layer < std::ssize(patterns)) {
    const auto& heads = patterns[static_cast<std::size_t>(layer)];
    if (const auto of = heads.find(head); of != heads.end()) found = of->second;
  }
  found.vertical = scaled(found.vertical, ratio);
  found.slash = scaled(found.slash, ratio);
  return found;
}

std::int64_t MinferenceSettings::columns(const HeadPattern& pattern, std::int64_t keys) const {
  return std::min(keys, std::max(pattern.vertical, forced_columns));
}

std::int64_t MinferenceSettings::diagonals(const HeadPattern& pattern, std::int64_t keys) const {
  return std::min(keys, std::max({pattern.slash, least_diagonals, std::int64_t{1}}));
}

bool MinferenceSettings::attends_everything(const HeadPattern& pattern, std::int64_t keys) const {
  return pattern.kind == PatternKind::kVerticalSlash &&
         (columns(pattern, keys) == keys || diagonals(pattern, keys) == keys);
}

MinferenceSettings minference_settings(const MethodParameters& parameters) {
  const auto number = [&](const char* name) {
    return static_cast<std::int64_t>(parameters.at(name));
  };
  MinferenceSettings settings{.patterns = {},
                              .otherwise = {.kind = static_cast<PatternKind>(number("pattern")),
                                            .vertical = number("vertical"),
                                            .slash = number("slash")},
                              .ratio = parameters.at("ratio"),
                              .blocks = number("blocks"),
                              .window = number("window"),
                              .forced_columns = number("forced_columns"),
                              .forced_diagonals = number("forced_diagonals"),
                              .least_diagonals = number("least_diagonals"),
                              .dense_layers = number("dense_layers"),
                              .sparse_follow_ups = number("follow_ups") == 1};
  if (const std::string& file = parameters.text("patterns"); !file.empty()) {
    Expected<HeadPatterns> patterns = read_head_patterns(file);
    SCSIM_CHECK(patterns.has_value());
    settings.patterns = *std::move(patterns);
  }
  return settings;
}

Expected<void> check_minference(const MethodParameters& parameters) {
  const std::string& file = parameters.text("patterns");
  if (file.empty()) return {};
  const Expected<HeadPatterns> patterns = read_head_patterns(file);
  if (!patterns) return patterns.error();
  return {};
}

void add_chosen(KeyLists& lists, const RowRange& rows, const HeadPattern& pattern,
                std::span<const std::int32_t> chosen) {
  SCSIM_CHECK(!chosen.empty());
  const std::span<const std::int32_t> numbers = chosen.subspan(1);
  switch (static_cast<Chosen>(chosen.front())) {
    case Chosen::kEverything:
      add_dense(lists, rows);
      return;
    case Chosen::kVerticalSlash: {
      const auto columns = static_cast<std::size_t>(numbers.front());
      add_vertical_slash(lists, rows, numbers.subspan(1, columns), numbers.subspan(1 + columns));
      return;
    }
    case Chosen::kAShape:
      add_a_shape(lists, rows, pattern.vertical, std::max<std::int64_t>(1, pattern.slash));
      return;
    case Chosen::kBlocks: {
      std::vector<std::vector<std::int32_t>> blocks;
      for (auto next = numbers.begin(); next != numbers.end();) {
        const std::int32_t count = *next++;
        blocks.emplace_back(next, next + count);
        next += count;
      }
      add_blocks(lists, rows, blocks);
      return;
    }
  }
}

}  // namespace scsim::methods
