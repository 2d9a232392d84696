// MInference's index against its definition in plain loops, and against what the published package
// chose on the same numbers (tests/data/minference/make.py).
#include <ATen/ATen.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include "exec/operators/operators.h"
#include "methods/minference/index.h"
#include "methods/minference/key_lists.h"
#include "traces/files.h"

namespace scsim::methods {
namespace {

// As make.py has it.
at::Tensor numbers(std::uint64_t seed, std::int64_t rows, std::int64_t dim) {
  at::Tensor t = at::empty({rows, dim}, at::kFloat);
  for (std::int64_t i = 0; i < rows * dim; ++i) {
    seed = (1103515245 * seed + 12345) % (std::uint64_t{1} << 31);
    t.mutable_data_ptr<float>()[i] = static_cast<float>((seed >> 8) % 65536) / 32768 - 1;
  }
  return t;
}

double dot(const at::Tensor& a, std::int64_t row, const at::Tensor& b, std::int64_t other) {
  double sum = 0;
  for (std::int64_t d = 0; d < a.size(1); ++d) {
    sum += static_cast<double>(a[row][d].item<float>()) * b[other][d].item<float>();
  }
  return sum;
}

// Attention that columns and diagonals get from the last rows of queries, of one head.
std::tuple<at::Tensor, at::Tensor> scores_of(const at::Tensor& queries, const at::Tensor& keys,
                                             double scale) {
  const std::int64_t tokens = keys.size(0), dim = keys.size(1), pages = (tokens + 63) / 64;
  const at::Tensor pool = at::zeros({pages, 2, 64, dim});
  for (std::int64_t p = 0; p < pages; ++p) {
    const std::int64_t held = std::min<std::int64_t>(64, tokens - p * 64);
    pool[p][0].narrow(0, 0, held).copy_(keys.narrow(0, p * 64, held));
  }
  return exec::window_scores(queries.unsqueeze(1), pool,
                             at::arange(pages, at::kInt).view({1, 1, pages}),
                             at::full({1, 1}, tokens, at::kInt), scale, c10::nullopt, true);
}

TEST_CASE("forced columns and diagonals are chosen first, then the largest scores",
          "[methods][minference]") {
  const std::vector<float> scores = {0, 5, 1, 9, 9, 2, 7, 3};
  using Numbers = std::vector<std::int32_t>;
  CHECK((choose_columns(scores.data(), 8, 4, 2) == Numbers{0, 1, 3, 4}));
  CHECK((choose_columns(scores.data(), 8, 3, 2) == Numbers{0, 1, 3}));  // of equals the lower
  CHECK((choose_columns(scores.data(), 8, 2, 4) == Numbers{0, 1}));
  CHECK((choose_columns(scores.data(), 8, 8, 0).size() == 8));
  CHECK((choose_diagonals(scores.data(), 8, 3, 1) == Numbers{4, 3, 0}));
  CHECK((choose_diagonals(scores.data(), 8, 2, 1) == Numbers{3, 0}));  // of equals the nearer
  CHECK((choose_diagonals(scores.data(), 8, 4, 2) == Numbers{4, 3, 1, 0}));
  CHECK((choose_diagonals(scores.data(), 8, 2, 0) == Numbers{3, 0}));  // the own key always
}

TEST_CASE("blocks are chosen by the product of means", "[methods][minference]") {
  const std::int64_t tokens = 330, first = 40;
  const at::Tensor k = numbers(8, tokens, 8), q = numbers(7, tokens - first, 8);
  const auto chosen = choose_blocks(q, k, first, 2);
  REQUIRE(chosen.size() == 5);
  for (std::int64_t b = 0; b < 5; ++b) {
    std::vector<std::pair<double, std::int32_t>> products;
    const std::int64_t last = std::min(first + b * 64 + 63, tokens - 1);
    for (std::int64_t c = 0; c * 64 <= last; ++c) {
      double sum = 0;
      for (std::int64_t i = b * 64; i < std::min<std::int64_t>(b * 64 + 64, q.size(0)); ++i) {
        for (std::int64_t j = c * 64; j < std::min<std::int64_t>(c * 64 + 64, tokens); ++j) {
          sum += dot(q, i, k, j);
        }
      }
      products.emplace_back(-sum, static_cast<std::int32_t>(c));
    }
    std::ranges::sort(products);
    std::vector<std::int32_t> expected;
    for (std::size_t i = 0; i < std::min<std::size_t>(2, products.size()); ++i) {
      expected.push_back(products[i].second);
    }
    std::ranges::sort(expected);
    CHECK((chosen[static_cast<std::size_t>(b)] == expected));
  }
}

TEST_CASE("the published package chooses the same columns, diagonals, lists and blocks",
          "[methods][minference]") {
  const auto text =
      read_file(std::string(SCSIM_SOURCE_DIR) + "/tests/data/minference/released.json");
  REQUIRE(text.has_value());
  const nlohmann::json released = nlohmann::json::parse(*text);
  REQUIRE(released["cases"].size() == 4);
  for (const nlohmann::json& c : released["cases"]) {
    const auto tokens = c["tokens"].get<std::int64_t>(), dim = c["dim"].get<std::int64_t>();
    const auto seed = c["seed"].get<std::uint64_t>();
    INFO(tokens << " tokens");
    const at::Tensor q = numbers(seed, tokens, dim) * 3, k = numbers(seed + 100, tokens, dim);
    const auto [by_column, by_distance] =
        scores_of(q.slice(0, tokens - 64), k, 1 / std::sqrt(static_cast<double>(dim)));
    for (std::int64_t i = 0; i < 40; ++i) {
      CHECK(by_column[0][i].item<float>() ==
            Approx(c["column_scores"][static_cast<std::size_t>(i)].get<double>()).margin(2e-5));
      CHECK(by_distance[0][39 - i].item<float>() ==
            Approx(c["diagonal_scores"][static_cast<std::size_t>(i)].get<double>()).margin(2e-5));
    }
    using Numbers = std::vector<std::int32_t>;
    const Numbers columns = choose_columns(by_column.const_data_ptr<float>(), tokens,
                                           c["vertical"].get<std::int64_t>(), 30);
    const Numbers diagonals = choose_diagonals(by_distance.const_data_ptr<float>(), tokens,
                                               c["slash"].get<std::int64_t>(), 100);
    CHECK((columns == c["columns"].get<Numbers>()));
    CHECK((diagonals == c["diagonals"].get<Numbers>()));
    KeyLists lists;
    const RowRange rows{.first = 0, .count = tokens};
    add_vertical_slash(lists, rows, c["columns"].get<Numbers>(), c["diagonals"].get<Numbers>());
    REQUIRE(static_cast<std::int64_t>(c["lists"].size()) == rows.blocks());
    for (std::size_t b = 0; b < c["lists"].size(); ++b) {
      Numbers tiles = c["lists"][b]["tiles"].get<Numbers>();
      std::erase_if(tiles, [&](std::int32_t key) { return key >= tokens; });  // masked there
      const auto of = [b](const Numbers& entries, const Numbers& offsets) {
        return Numbers(entries.begin() + offsets[b], entries.begin() + offsets[b + 1]);
      };
      CHECK((of(lists.tiles, lists.tile_offsets) == tiles));
      CHECK((of(lists.columns, lists.column_offsets) == c["lists"][b]["columns"].get<Numbers>()));
    }
    const auto blocks = choose_blocks(q, k, 0, 4);
    CHECK((blocks == c["blocks"].get<std::vector<Numbers>>()));
  }
}

}  // namespace
}  // namespace scsim::methods
