#include "exec/tasks/draw.h"

#include <catch2/catch.hpp>
#include <set>

namespace scsim::exec {

TEST_CASE("a uuid has 36 characters, its version and its variant", "[exec][tasks]") {
  Rng rng(1, "test");
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string uuid = draw_uuid(rng);
    CHECK(uuid.size() == 36);
    CHECK(uuid[14] == '4');
    CHECK(std::string("89ab").find(uuid[19]) != std::string::npos);
    CHECK(uuid.find_first_not_of("0123456789abcdef-") == std::string::npos);
    CHECK(seen.insert(uuid).second);
  }
}

TEST_CASE("spread picks one index out of each equal part, in no order", "[exec][tasks]") {
  bool unordered = false;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Rng rng(seed, "test");
    const std::vector<std::size_t> picked = spread(rng, 23, 5);
    std::set<std::size_t> parts;
    for (const std::size_t i : picked) {
      CHECK(i < 23);
      for (std::size_t part = 0; part < 5; ++part) {
        if (23 * part / 5 <= i && i < 23 * (part + 1) / 5) parts.insert(part);
      }
    }
    CHECK(parts.size() == 5);
    unordered = unordered || !std::is_sorted(picked.begin(), picked.end());
  }
  CHECK(unordered);
}

TEST_CASE("places ascend and reach both ends", "[exec][tasks]") {
  std::set<std::size_t> seen;
  Rng rng(1, "test");
  for (int i = 0; i < 200; ++i) {
    const std::vector<std::size_t> at = places(rng, 3, 4);
    CHECK(std::is_sorted(at.begin(), at.end()));
    seen.insert(at.begin(), at.end());
  }
  CHECK(seen == std::set<std::size_t>{0, 1, 2, 3});
}

}  // namespace scsim::exec
