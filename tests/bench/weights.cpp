// How fast a checkpoint becomes float32 numbers, on one core. Answers are checked first.
//
//   bench_weights [model.gguf]
//
// Quantised types: 64 Mi elements of the tiny file's blocks over and over, to a buffer that has
// been written before; the sum of all must be that many times the sum of the blocks once. With a
// model (SmolLM2-135M-Instruct.Q4_1.gguf, 134,515,008 parameters): opening it and reading every
// tensor, the pages of both the file and the buffer warm. A CSV line per case: seconds over five
// runs after the checked one, and what was written in a second.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "exec/weights/checkpoint.h"
#include "exec/weights/gguf_file.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

double sum(std::span<const float> values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

double seconds_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

bool measure(const std::string& name, std::span<const float> written, double expected,
             const std::function<void()>& work) {
  work();
  const double found = sum(written);
  if (std::abs(found - expected) > 1e-6 * std::abs(expected)) {
    std::fprintf(stderr, "%s: sum %.9g, expected %.9g\n", name.c_str(), found, expected);
    return false;
  }
  std::vector<double> runs(5);
  for (double& run : runs) run = seconds_of(work);
  std::ranges::sort(runs);
  std::printf("%s,%zu,%s,%s,%s,%s\n", name.c_str(), written.size(),
              format_fixed(runs[0], 4).c_str(), format_fixed(runs[2], 4).c_str(),
              format_fixed(runs[4], 4).c_str(),
              format_fixed(static_cast<double>(written.size_bytes()) / runs[2] / 1e9, 2).c_str());
  return true;
}

// The tensor's bytes as often as they fit.
bool measure_type(const StoredTensor& tensor) {
  constexpr std::size_t kElements = std::size_t{1} << 26;
  const auto elements = static_cast<std::size_t>(*count_elements(tensor.shape));
  std::vector<float> once(elements), all(kElements);
  to_floats(tensor.type, tensor.bytes, once);
  const std::size_t times = kElements / elements;
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < times; ++i) {
    bytes.insert(bytes.end(), tensor.bytes.begin(), tensor.bytes.end());
  }
  return measure(tensor.name, all, static_cast<double>(times) * sum(once),
                 [&] { to_floats(tensor.type, bytes, all); });
}

bool measure_model(const std::string& path) {
  constexpr std::int64_t kParameters = 134'515'008;
  constexpr double kSum = -10067.612;  // by the gguf package
  std::vector<float> all(kParameters);
  return measure("model", all, kSum, [&] {
    const Expected<Checkpoint> checkpoint = Checkpoint::open(path);
    SCSIM_CHECK(checkpoint.has_value());
    SCSIM_CHECK_EQ(checkpoint->config().parameters(), kParameters);
    std::span<float> rest = all;
    for (const TensorInfo& tensor : checkpoint->tensors()) {
      const auto elements = static_cast<std::size_t>(tensor.elements());
      checkpoint->read(tensor.name, rest.first(elements));
      rest = rest.subspan(elements);
    }
  });
}

}  // namespace
}  // namespace scsim::exec

int main(int argc, char** argv) {
  using namespace scsim::exec;
  std::printf("case,elements,s_min,s_median,s_max,gb_written_per_s\n");
  const scsim::Expected<GgufFile> file =
      GgufFile::open(SCSIM_SOURCE_DIR "/tests/data/tiny_models/quantised.gguf");
  SCSIM_CHECK(file.has_value());
  bool right = true;
  for (const StoredTensor& tensor : file->tensors()) right = measure_type(tensor) && right;
  if (argc > 1) right = measure_model(argv[1]) && right;
  return right ? 0 : 1;
}
