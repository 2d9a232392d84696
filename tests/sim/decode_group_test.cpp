#include "sim/decode_group.h"

#include <catch2/catch.hpp>
#include <map>

#include "tests/sim/written_out.h"

namespace scsim::sim {
namespace {

using test::between;

struct Member {
  std::int64_t computed, left;  // tokens, and steps to its end
  std::uint64_t sequence;
};

// Every member stepped by itself.
struct EachMember {
  std::int64_t block;
  std::vector<std::int64_t> windows;
  std::map<DecodeGroup::MemberId, Member> members;

  std::int64_t context() const {
    std::int64_t tokens = 0;
    for (const auto& [id, member] : members) tokens += member.computed + 1;
    return tokens;
  }
  std::int64_t windowed(std::size_t w) const {
    std::int64_t tokens = 0;
    for (const auto& [id, member] : members) tokens += std::min(member.computed + 1, windows[w]);
    return tokens;
  }
  // Blocks for the step that is `ahead` steps away.
  std::int64_t blocks_in(std::int64_t ahead) const {
    std::int64_t blocks = 0;
    for (const auto& [id, member] : members) blocks += (member.computed + ahead) % block == 0;
    return blocks;
  }
  void step() {
    for (auto& [id, member] : members) {
      ++member.computed;
      --member.left;
    }
  }
};

TEST_CASE("a group that decodes together is what its members are one by one",
          "[sim][decode_group]") {
  for (std::uint64_t trial = 0; trial < 150; ++trial) {
    Rng rng(trial, "test.decode_group");
    EachMember oracle;
    oracle.block = between(rng, 1, 17);
    for (std::uint64_t w = rng.below(3); w > 0; --w) oracle.windows.push_back(between(rng, 1, 60));
    DecodeGroup group(oracle.block, oracle.windows);
    std::uint64_t sequence = 0;
    for (int round = 0; round < 60; ++round) {
      CAPTURE(trial, round);
      for (std::uint64_t n = rng.below(3); n > 0; --n) {
        const auto id = static_cast<DecodeGroup::MemberId>(rng.below(12));
        if (oracle.members.contains(id)) continue;
        const Member member{between(rng, 0, 50), between(rng, 1, 40), sequence++};
        group.add(id, member.computed, member.left, member.sequence);
        oracle.members[id] = member;
      }
      if (rng.chance(0.2) && !oracle.members.empty()) {
        const auto lost = oracle.members.begin();
        REQUIRE(group.remove(lost->first) == lost->second.computed);
        oracle.members.erase(lost);
      }
      REQUIRE(group.size() == static_cast<std::int64_t>(oracle.members.size()));
      REQUIRE(group.context() == oracle.context());
      for (const auto& [id, member] : oracle.members)
        REQUIRE(group.computed(id) == member.computed);
      if (oracle.members.empty()) continue;

      std::int64_t to_end = 1000;
      for (const auto& [id, member] : oracle.members) to_end = std::min(to_end, member.left);
      REQUIRE(group.steps_to_end() == to_end);
      const std::int64_t free = between(rng, 0, 60);
      std::int64_t blocks = 0, enough = 0;
      for (; enough < to_end && blocks + oracle.blocks_in(enough) <= free; ++enough) {
        REQUIRE(group.blocks_needed(enough) == blocks);
        blocks += oracle.blocks_in(enough);
      }
      REQUIRE(group.steps_within(free, to_end) == enough);

      // The windowed context grows evenly for as long as it is said to.
      const std::int64_t steps = std::min(between(rng, 1, to_end), group.linear_steps());
      const auto windowed = group.windowed_context(), growth = group.windowed_growth();
      for (std::int64_t i = 0; i < steps; ++i) {
        for (std::size_t w = 0; w < oracle.windows.size(); ++w)
          REQUIRE(oracle.windowed(w) == windowed[w] + i * growth[w]);
        oracle.step();
      }
      group.advance(steps);
      std::vector<DecodeGroup::MemberId> ended, expected;
      group.ended(ended);
      std::map<std::uint64_t, DecodeGroup::MemberId> by_sequence;
      for (const auto& [id, member] : oracle.members)
        if (member.left == 0) by_sequence[member.sequence] = id;
      for (const auto& [number, id] : by_sequence) expected.push_back(id);
      REQUIRE(ended == expected);
      for (const DecodeGroup::MemberId id : ended) {
        group.remove(id);
        oracle.members.erase(id);
      }
      if (rng.chance(0.05)) {
        group.clear();
        oracle.members.clear();
      }
    }
  }
}

}  // namespace
}  // namespace scsim::sim
