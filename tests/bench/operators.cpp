// How fast the operators are, beside what this machine can do: prefill and window scores in GFLOP/s
// against a matrix product of libtorch's, decode and products of few rows in GB/s against reading a
// large buffer, both peaks being measured in the same run. Every answer is checked first. Best and
// median of five.
//
//   bench_operators [--csv] [longest prompt, 4096 unless told]
//
// Operations of attention are 4 * head_dim for each pair of a query and a key that it attends.
#include "exec/operators/operators.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "exec/operators/cpu/kernels.h"
#include "exec/operators/parallel.h"
#include "exec/operators/reference.h"

namespace scsim::exec {
namespace {

struct Taken {
  double best = 0, median = 0;  // seconds
};

Taken time_of(const std::function<void()>& work) {
  std::vector<double> runs;
  for (int run = 0; run < 6; ++run) {  // the first one warms up
    const auto start = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    if (run > 0) runs.push_back(taken.count());
  }
  std::ranges::sort(runs);
  return {.best = runs.front(), .median = runs[2]};
}

void check(const std::string& what, const at::Tensor& found, const at::Tensor& expected) {
  const double apart = (found.to(at::kDouble) - expected).abs().max().item<double>();
  const double largest = std::max(1.0, expected.abs().max().item<double>());
  if (apart <= 1e-5 * largest) return;
  std::fprintf(stderr, "%s: off by %.3g of %.3g\n", what.c_str(), apart, largest);
  std::exit(1);
}

bool csv = false;

// `amount` of the unit was done in the time taken, by us and by libtorch; the machine does `peak`
// of it in a second.
void print(const std::string& name, const std::string& what, const std::string& unit, double amount,
           Taken ours, Taken torch, double peak) {
  if (csv) {
    std::printf("%s,%s,%s,%.6f,%.6f,%.6f,%.2f,%.2f\n", name.c_str(), what.c_str(), unit.c_str(),
                ours.best, ours.median, torch.best, amount / ours.best * 1e-9, peak * 1e-9);
  } else {
    std::printf("%-8s %-36s %9.3f %9.3f %9.3f   %7.1f %-7s %4.0f %%\n", name.c_str(), what.c_str(),
                ours.best * 1e3, ours.median * 1e3, torch.best * 1e3, amount / ours.best * 1e-9,
                unit.c_str(), 100 * amount / ours.best / peak);
  }
  std::fflush(stdout);
}

struct Heads {
  std::int64_t query, kv, dim;
  std::string text() const {
    return std::to_string(query) + "/" + std::to_string(kv) + " heads of " + std::to_string(dim);
  }
};

// A full cache on pages of 64, in random order, and the same keys and values without pages.
struct Cache {
  at::Tensor pool, block_table, kv_lengths, keys, values;

  Cache(const Heads& heads, std::int64_t tokens) {
    constexpr std::int64_t kPage = 64;
    const std::int64_t pages = (tokens + kPage - 1) / kPage;
    pool = at::randn({heads.kv * pages, 2, kPage, heads.dim});
    const at::Tensor order = at::randperm(heads.kv * pages, at::kLong);
    block_table = order.to(at::kInt).view({1, heads.kv, pages});
    kv_lengths = at::full({1, heads.kv}, tokens, at::kInt);
    const at::Tensor rows = pool.index_select(0, order)
                                .view({heads.kv, pages, 2, kPage, heads.dim})
                                .permute({2, 0, 1, 3, 4})
                                .reshape({2, 1, heads.kv, pages * kPage, heads.dim})
                                .narrow(3, 0, tokens);
    keys = rows[0].contiguous();
    values = rows[1].contiguous();
  }
};

at::Tensor sdpa(const at::Tensor& q, const Cache& cache, bool causal) {
  return at::scaled_dot_product_attention(q, cache.keys, cache.values, {}, 0, causal, c10::nullopt,
                                          /*enable_gqa=*/true);
}

void bench_prefill(const Heads& heads, std::int64_t tokens, double product_rate) {
  const Cache cache(heads, tokens);
  const double scale = 1 / std::sqrt(static_cast<double>(heads.dim));
  const at::Tensor q = at::randn({tokens, heads.query, heads.dim});
  const at::Tensor offsets = at::tensor({0, static_cast<int>(tokens)}, at::kInt);
  const at::Tensor torch_q = q.transpose(0, 1).unsqueeze(0);
  at::Tensor out;
  const Taken ours = time_of([&] {
    out = std::get<0>(
        attention_prefill(q, offsets, cache.pool, cache.block_table, cache.kv_lengths, scale));
  });
  // The last rows attend everything; the reference of all rows would take minutes.
  const std::int64_t rows = std::min<std::int64_t>(tokens, 8);
  const at::Tensor last = q.narrow(0, tokens - rows, rows);
  check("prefill " + heads.text(), out.narrow(0, tokens - rows, rows),
        std::get<0>(
            reference::attention_prefill(last, at::tensor({0, static_cast<int>(rows)}, at::kInt),
                                         cache.pool, cache.block_table, cache.kv_lengths, scale)));
  at::Tensor torch_out;
  const Taken torch = time_of([&] { torch_out = sdpa(torch_q, cache, true); });
  check("prefill against torch", out, torch_out[0].transpose(0, 1).to(at::kDouble));
  const double pairs = static_cast<double>(tokens) * static_cast<double>(tokens + 1) / 2;
  print("prefill", heads.text() + ", " + std::to_string(tokens), "GFLOP/s",
        4.0 * static_cast<double>(heads.dim * heads.query) * pairs, ours, torch, product_rate);
}

void bench_decode(const Heads& heads, std::int64_t tokens, double read_rate) {
  const Cache cache(heads, tokens);
  const double scale = 1 / std::sqrt(static_cast<double>(heads.dim));
  const at::Tensor q = at::randn({1, heads.query, heads.dim});
  at::Tensor out;
  const auto decode = [&] {
    out = std::get<0>(attention_decode(q, cache.pool, cache.block_table, cache.kv_lengths, scale));
  };
  decode();
  check("decode " + heads.text(), out,
        std::get<0>(reference::attention_decode(q, cache.pool, cache.block_table, cache.kv_lengths,
                                                scale)));
  const at::Tensor torch_q = q.transpose(0, 1).unsqueeze(0);
  const Taken ours = time_of(decode);
  const Taken torch = time_of([&] { sdpa(torch_q, cache, false); });
  print("decode", heads.text() + ", " + std::to_string(tokens), "GB/s",
        static_cast<double>(cache.keys.nbytes() + cache.values.nbytes()), ours, torch, read_rate);
}

// Libtorch's way holds all logits: a product, a softmax, a sum.
void bench_scores(const Heads& heads, std::int64_t rows, std::int64_t tokens, double product_rate) {
  const Cache cache(heads, tokens);
  const double scale = 1 / std::sqrt(static_cast<double>(heads.dim));
  const at::Tensor q = at::randn({rows, heads.query, heads.dim});
  at::Tensor columns;
  const auto score = [&] {
    columns = std::get<0>(window_scores(q, cache.pool, cache.block_table, cache.kv_lengths, scale));
  };
  score();
  check("scores " + heads.text(), columns,
        std::get<0>(
            reference::window_scores(q, cache.pool, cache.block_table, cache.kv_lengths, scale)));
  const at::Tensor grouped =
      q.transpose(0, 1).reshape({heads.kv, heads.query / heads.kv, rows, heads.dim});
  const at::Tensor hidden = at::ones({rows, tokens}, at::kBool).triu(tokens - rows + 1);
  const Taken ours = time_of(score);
  const Taken torch = time_of([&] {
    at::matmul(grouped, cache.keys[0].unsqueeze(1).transpose(2, 3))
        .mul_(scale)
        .masked_fill_(hidden, -INFINITY)
        .softmax(-1)
        .sum(2);
  });
  const double pairs = static_cast<double>(rows) *
                       (static_cast<double>(tokens) - (static_cast<double>(rows) - 1) / 2);
  // Two passes of one product each.
  print("scores", heads.text() + ", " + std::to_string(rows) + " of " + std::to_string(tokens),
        "GFLOP/s", 4.0 * static_cast<double>(heads.dim * heads.query) * pairs, ours, torch,
        product_rate);
}

// A step over keys in few bits; libtorch's time is that of unpacking them and attending.
void bench_packed(const Heads& heads, int bits, std::int64_t tokens, double read_rate) {
  const QuantisedFormat format{.key_bits = bits, .value_bits = bits, .group = 32};
  const std::int64_t blocks = tokens / format.group;
  const at::Tensor pool =
      pack_blocks(at::randn({heads.kv * blocks, 2, format.group, heads.dim}), format);
  const at::Tensor table = at::arange(heads.kv * blocks, at::kInt).view({1, heads.kv, blocks});
  const at::Tensor lengths = at::full({1, heads.kv}, blocks * format.group, at::kInt);
  const at::Tensor offsets = at::tensor({0, 1}, at::kInt);
  const double scale = 1 / std::sqrt(static_cast<double>(heads.dim));
  const at::Tensor q = at::randn({1, heads.query, heads.dim});
  at::Tensor out;
  const auto attend = [&] {
    out = std::get<0>(attention_packed(q, offsets, pool, table, lengths, scale, format));
  };
  attend();
  check("packed " + heads.text(), out,
        std::get<0>(reference::attention_packed(q, offsets, pool, table, lengths, scale, format)));
  const at::Tensor torch_q = q.transpose(0, 1).unsqueeze(0);
  const Taken ours = time_of(attend);
  const Taken torch = time_of([&] {
    const at::Tensor rows = unpack_blocks(pool, format, heads.dim, at::kFloat)
                                .view({heads.kv, blocks, 2, format.group, heads.dim})
                                .permute({2, 0, 1, 3, 4})
                                .reshape({2, 1, heads.kv, blocks * format.group, heads.dim});
    at::scaled_dot_product_attention(torch_q, rows[0], rows[1], {}, 0, false, c10::nullopt,
                                     /*enable_gqa=*/true);
  });
  print("packed", heads.text() + ", " + std::to_string(bits) + " bits, " + std::to_string(tokens),
        "GB/s", static_cast<double>(pool.nbytes()), ours, torch, read_rate);
}

void bench_linear(std::int64_t rows, std::int64_t inputs, std::int64_t outputs, double read_rate) {
  const at::Tensor x = at::randn({rows, inputs}), weight = at::randn({outputs, inputs});
  at::Tensor y;
  const Taken ours = time_of([&] { y = exec::linear(x, weight, c10::nullopt); });
  check("linear", y, reference::linear(x, weight, c10::nullopt));
  const Taken torch = time_of([&] { at::linear(x, weight); });
  print("linear",
        std::to_string(rows) + " x " + std::to_string(inputs) + " -> " + std::to_string(outputs),
        "GB/s", static_cast<double>(weight.nbytes()), ours, torch, read_rate);
}

// Operations a second of a product of libtorch's, large enough for its best.
double product_rate() {
  constexpr std::int64_t kSize = 1536;
  const at::Tensor a = at::randn({kSize, kSize}), b = at::randn({kSize, kSize});
  at::Tensor c = at::empty({kSize, kSize});
  const Taken taken = time_of([&] { at::mm_out(c, a, b); });
  return 2.0 * kSize * kSize * kSize / taken.best;
}

// Bytes a second of adding up a buffer that no cache holds, by all threads.
double read_rate() {
  constexpr std::int64_t kFloats = std::int64_t{1} << 27, kPart = std::int64_t{1} << 18;
  const at::Tensor buffer = at::ones({kFloats});
  const float* from = buffer.const_data_ptr<float>();
  std::vector<float> sums(kFloats / kPart);
  const Taken taken = time_of([&] {
    parallel_items(kFloats / kPart, 0, [&](std::int64_t part, float*) {
      using Floats = float __attribute__((vector_size(32), aligned(4)));
      Floats sum[8] = {};
      for (std::int64_t i = part * kPart; i < (part + 1) * kPart; i += 64) {
        const auto* vectors = reinterpret_cast<const Floats*>(from + i);
        for (int v = 0; v < 8; ++v) sum[v] += vectors[v];
      }
      for (int v = 1; v < 8; ++v) sum[0] += sum[v];
      for (int lane = 0; lane < 8; ++lane) sums[static_cast<std::size_t>(part)] += sum[0][lane];
    });
  });
  if (sums[0] != 6.0F * kPart) std::exit(1);
  return static_cast<double>(buffer.nbytes()) / taken.best;
}

void run(std::int64_t longest) {
  const double product = product_rate(), read = read_rate();
  const Heads small = {.query = 9, .kv = 3, .dim = 64}, large = {.query = 32, .kv = 8, .dim = 128};
  if (csv) {
    std::printf("operator,case,unit,seconds_best,seconds_median,torch_seconds_best,rate,peak\n");
  } else {
    std::printf("%s kernels, %d threads; a product: %.1f GFLOP/s; reading: %.1f GB/s\n\n",
                cpu_kernels().name, at::get_num_threads(), product * 1e-9, read * 1e-9);
    std::printf("%-8s %-36s %9s %9s %9s   %15s %6s\n", "operator", "case", "best ms", "median",
                "torch", "best", "of peak");
  }
  for (const Heads& heads : {small, large}) {
    for (std::int64_t tokens = 1024; tokens <= longest; tokens *= 2) {
      bench_prefill(heads, tokens, product);
    }
  }
  for (const Heads& heads : {small, large}) {
    for (const std::int64_t tokens : {1000, 8000, 32000}) bench_decode(heads, tokens, read);
  }
  for (const Heads& heads : {small, large}) {
    for (const std::int64_t tokens : {2000, 8000, 32000}) bench_scores(heads, 32, tokens, product);
  }
  for (const Heads& heads : {small, large}) {
    for (const int bits : {2, 4}) bench_packed(heads, bits, 8000, read);
  }
  for (const std::int64_t rows : {1, 2, 4, 8, 16}) bench_linear(rows, 576, 49152, read);
  for (const std::int64_t rows : {1, 2, 4, 8, 16}) bench_linear(rows, 4096, 4096, read);
}

}  // namespace
}  // namespace scsim::exec

int main(int argc, char** argv) {
  std::int64_t longest = 4096;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--csv") == 0) {
      scsim::exec::csv = true;
    } else {
      longest = std::atoll(argv[i]);
    }
  }
  scsim::exec::run(longest);
}
