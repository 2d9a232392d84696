#include "exec/tasks/fill.h"

#include <catch2/catch.hpp>

namespace scsim::exec {
namespace {

std::int64_t characters(std::string_view text) { return static_cast<std::int64_t>(text.size()); }

}  // namespace

TEST_CASE("fill finds the most records that fit, whatever they measure", "[exec][tasks]") {
  // Record i has 1 + i % 7 characters; the slow way is to try one after another.
  const auto build = [](std::int64_t n) {
    std::string text;
    for (std::int64_t i = 0; i < n; ++i) text.append(static_cast<std::size_t>(1 + i % 7), 'x');
    return text;
  };
  for (std::int64_t tokens = 10; tokens < 400; ++tokens) {
    std::int64_t slow = 0;
    while (characters(build(slow + 1)) <= tokens) ++slow;
    const Fill what{.task = "t", .records = "records", .least = 1, .build = build};
    const Expected<std::int64_t> n = fill(what, {.tokens = tokens}, characters);
    REQUIRE(n);
    CHECK(*n == slow);
  }
}

TEST_CASE("fill says what is too short and what is too long", "[exec][tasks]") {
  const Fill what{
      .task = "kv", .records = "pairs", .least = 5, .available = 20, .build = [](std::int64_t n) {
        return std::string(static_cast<std::size_t>(10 * n), 'x');
      }};
  CHECK(fill(what, {.tokens = 49}, characters).error().message ==
        "kv with 5 turns needs a context of at least 50 tokens; 49 were asked for");
  CHECK(*fill(what, {.tokens = 50}, characters) == 5);
  CHECK(*fill(what, {.tokens = 204}, characters) == 20);
  CHECK(fill(what, {.tokens = 300}, characters).error().message ==
        "kv: all 20 pairs of its material make a context of 200 tokens; 300 were asked for");
}

TEST_CASE("packing passes over what does not fit and forgets nothing", "[exec][tasks]") {
  const std::int64_t sizes[] = {5, 9, 3, 2, 1};
  CHECK(packed_order(sizes, 10) == std::vector<std::size_t>{0, 2, 3, 1, 4});
  CHECK(packed_order(sizes, 0) == std::vector<std::size_t>{0, 1, 2, 3, 4});
  CHECK(packed_order({}, 5).empty());
}

TEST_CASE("fill counts few contexts, however long", "[exec][tasks]") {
  int builds = 0;
  const Fill what{.task = "t", .records = "records", .least = 1, .build = [&](std::int64_t n) {
                    ++builds;
                    return std::string(static_cast<std::size_t>(37 * n + 5), 'x');
                  }};
  CHECK(*fill(what, {.tokens = 1000000}, characters) == 27026);
  CHECK(builds < 12);
}

}  // namespace scsim::exec
