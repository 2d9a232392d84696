#include "exec/engine/block_pool.h"

#include <catch2/catch.hpp>

using namespace scsim::exec;

namespace {

BlockKey key(std::int32_t token) { return next_key(root_key("m", ""), {&token, 1}); }

}  // namespace

TEST_CASE("a key stands for the model, the salt and every token before", "[exec][engine]") {
  const std::int32_t tokens[] = {1, 2, 3, 4};
  const std::span<const std::int32_t> all(tokens);
  const BlockKey root = root_key("m", "a");
  const BlockKey one = next_key(root, all.first(2)), two = next_key(one, all.last(2));
  CHECK(two == next_key(next_key(root_key("m", "a"), all.first(2)), all.last(2)));
  CHECK(two != next_key(root, all.last(2)));
  CHECK(root != root_key("m", "b"));
  CHECK(root_key("ma", "") != root_key("m", "a"));

  CHECK(one.hex().size() == 64);
}

TEST_CASE(
    "blocks nobody can find go first, then those released longest ago, ends of prefixes first",
    "[exec][engine]") {
  BlockPool pool(4);
  const std::vector<BlockId> a = {pool.take(), pool.take()}, b = {pool.take()};
  pool.add_key(a[0], key(1));
  pool.add_key(a[1], key(2));
  pool.add_key(b[0], key(3));
  CHECK(pool.used_blocks() == 3);
  pool.release(a);
  pool.release(b);
  CHECK(pool.free_blocks() == 4);
  CHECK(pool.cached_blocks() == 3);
  const BlockId blank = pool.take();
  CHECK((blank != a[0] && blank != a[1] && blank != b[0]));
  CHECK(pool.take() == a[1]);  // the end of the older prefix
  CHECK(pool.find(key(2)) == -1);
  CHECK(pool.find(key(1)) == a[0]);
  pool.hold(a[0]);  // in use again: not to be taken
  CHECK(pool.take() == b[0]);
  CHECK(pool.free_blocks() == 0);
  CHECK(pool.evicted_blocks() == 2);
}

TEST_CASE("of two blocks with one key the first is found, and the other when that is gone",
          "[exec][engine]") {
  BlockPool pool(2);
  const std::vector<BlockId> first = {pool.take()}, second = {pool.take()};
  pool.add_key(first[0], key(1));
  pool.add_key(second[0], key(1));
  CHECK(pool.find(key(1)) == first[0]);
  pool.release(first);
  CHECK(pool.take() == first[0]);
  CHECK(pool.find(key(1)) == second[0]);
}
