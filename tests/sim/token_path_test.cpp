#include "sim/token_path.h"

#include <catch2/catch.hpp>

#include "tests/sim/written_out.h"

namespace scsim::sim {
namespace {

using test::between;
using test::span;
using test::Token;

struct Written {
  PathId path;
  std::vector<Token> tokens;
  std::uint64_t salt;
};

Written random_path(Rng& rng, TokenPaths& paths, std::uint64_t number) {
  std::vector<Span> prompt = test::random_spans(rng, 3, 6);
  const std::int64_t answered = between(rng, 0, 5);
  const bool quotable = rng.chance(0.5);
  const std::uint64_t answer = rng.below(3);
  Written written{0, test::written_out(prompt), rng.chance(0.8) ? 0 : 1 + rng.below(2)};
  written.path =
      paths.make(prompt, quotable ? ContentId(answer) : ContentId{}, answered, written.salt);
  const std::uint64_t content = quotable ? answer : 1000 + number;  // nobody else's
  for (std::int64_t i = 0; i < answered; ++i) written.tokens.emplace_back(content, i);
  return written;
}

// A piece at or before token `position`.
std::int32_t random_hint(Rng& rng, const TokenPaths& paths, PathId path, std::int64_t position) {
  return paths.piece_at(path, between(rng, 0, position));
}

TEST_CASE("two paths agree exactly as far as their tokens, written out, are the same",
          "[sim][token_path]") {
  int agreed = 0, differed = 0;
  for (std::uint64_t trial = 0; trial < 4000; ++trial) {
    Rng rng(trial, "test.token_path");
    TokenPaths paths;
    const Written a = random_path(rng, paths, 0), b = random_path(rng, paths, 1);
    CAPTURE(trial);
    REQUIRE(paths.tokens(a.path) == static_cast<std::int64_t>(a.tokens.size()));
    REQUIRE(paths.salt(a.path) == a.salt);
    const std::int64_t shorter =
        static_cast<std::int64_t>(std::min(a.tokens.size(), b.tokens.size()));
    const std::int64_t limit = between(rng, 0, shorter), from = between(rng, 0, limit);
    std::int64_t until = from;
    while (until < limit && a.salt == b.salt &&
           a.tokens[static_cast<std::size_t>(until)] == b.tokens[static_cast<std::size_t>(until)])
      ++until;
    REQUIRE(paths.agree_until(a.path, random_hint(rng, paths, a.path, from), b.path,
                              random_hint(rng, paths, b.path, from), from, limit) == until);
    REQUIRE(paths.agree_until(a.path, 0, a.path, 0, from, limit) == limit);
    ++(until > from ? agreed : differed);
  }
  CHECK(agreed > 200);  // the trials do try both
  CHECK(differed > 200);
}

// The second half is a matter of 64 random bits: among 10^4 pairs two different runs of tokens have
// the same hash with probability below 10^-11.
TEST_CASE("the hash of a run is that of its tokens however the pieces are cut, and of no others",
          "[sim][token_path]") {
  int same = 0;
  for (std::uint64_t trial = 0; trial < 8000; ++trial) {
    Rng rng(trial, "test.token_path.hash");
    TokenPaths paths;
    const Written a = random_path(rng, paths, 0), b = random_path(rng, paths, 1);
    const auto length = static_cast<std::int64_t>(std::min(a.tokens.size(), b.tokens.size()));
    const std::int64_t to = between(rng, 1, length), from = between(rng, 0, to - 1);
    const auto run = [&](const Written& written) {
      return std::vector<Token>(written.tokens.begin() + from, written.tokens.begin() + to);
    };
    const auto hash = [&](const Written& written) {
      return paths.hash(written.path, random_hint(rng, paths, written.path, from), from, to);
    };
    CAPTURE(trial, from, to);
    const bool equal = run(a) == run(b) && a.salt == b.salt;
    REQUIRE((hash(a) == hash(b)) == equal);
    same += equal;
  }
  CHECK(same > 200);
}

TEST_CASE("adjacent spans of one content are one piece", "[sim][token_path]") {
  TokenPaths paths;
  const std::vector<Span> cut = {span(1, 0, 4), span(1, 4, 3), span(2, 0, 1)};
  const PathId path = paths.make(cut, ContentId{}, 0, 0);
  CHECK(paths.piece_at(path, 6) == 0);
  CHECK(paths.piece_at(path, 7) == 1);
}

TEST_CASE("an answer of no content is nobody else's", "[sim][token_path]") {
  TokenPaths paths;
  const std::vector<Span> prompt = {span(1, 0, 4)};
  const PathId a = paths.make(prompt, ContentId{}, 3, 0), b = paths.make(prompt, ContentId{}, 3, 0);
  CHECK(paths.agree_until(a, 0, b, 0, 0, 7) == 4);
}

TEST_CASE("a path's slot is used again when its last reference is dropped, and not before",
          "[sim][token_path]") {
  TokenPaths paths;
  const std::vector<Span> one = {span(1, 0, 4)}, other = {span(2, 0, 9)};
  const PathId a = paths.make(one, ContentId{}, 0, 0);
  paths.add_reference(a);
  paths.drop_reference(a);
  const PathId b = paths.make(other, ContentId{}, 0, 0);
  CHECK(b != a);
  CHECK(paths.tokens(a) == 4);
  paths.drop_reference(a);
  const PathId c = paths.make(other, ContentId{}, 2, 5);
  CHECK(c == a);
  CHECK(paths.tokens(c) == 11);
  CHECK(paths.salt(c) == 5);
}

}  // namespace
}  // namespace scsim::sim
