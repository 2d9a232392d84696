#include "exec/session/kernel_sweep.h"

#include <catch2/catch.hpp>
#include <set>

namespace scsim::exec {
namespace {

const KernelShapes kShapes{.query_heads = 4,
                           .kv_heads = 2,
                           .head_dim = 32,
                           .hidden = 64,
                           .intermediate = 96,
                           .vocabulary = 100,
                           .page_tokens = 16};
const KernelDesign kDesign{.lengths = {20, 70}, .batches = {1, 3}, .operators = {}, .repeats = 2};

TEST_CASE("a sweep has every operator and no shape twice", "[exec][session]") {
  std::set<std::string> names, keys;
  for (const OperatorSample& sample : plan_kernels(kShapes, kDesign)) {
    names.insert(sample.name);
    CHECK(keys.insert(operator_key(sample)).second);
    CHECK(sample.operations > 0);
    CHECK(sample.bytes_read > 0);
    CHECK(sample.bytes_written > 0);
  }
  CHECK(names == std::set<std::string>(kernel_names().begin(), kernel_names().end()));
}

TEST_CASE("pairs of attention are those counted one by one", "[exec][session]") {
  for (const OperatorSample& sample : plan_kernels(kShapes, kDesign)) {
    if (!sample.name.starts_with("attention_")) continue;
    std::int64_t pairs = 0;
    for (std::size_t i = 0; i < sample.new_tokens.size(); ++i) {
      for (std::int64_t query = 0; query < sample.new_tokens[i]; ++query) {
        pairs += kShapes.query_heads * (sample.cached_tokens[i] + query + 1);
      }
    }
    CHECK(sample.attended_pairs == pairs);
  }
}

TEST_CASE("operators give what the plain way gives", "[exec][session]") {
  const std::unique_ptr<Timeline> timeline = wall_timeline();
  for (OperatorSample& sample : plan_kernels(kShapes, kDesign)) {
    measure_kernel(sample, kShapes, kDesign, *timeline);
    INFO(operator_key(sample));
    CHECK(sample.seconds.size() == 2);
    CHECK(sample.began_unix_ns > 0);
    if (sample.name == "apply_rope") continue;
    REQUIRE(sample.largest_error.has_value());
    CHECK(*sample.largest_error < 2e-5);
  }
}

}  // namespace
}  // namespace scsim::exec
