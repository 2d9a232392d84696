#include "exec/weights/element_type.h"

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>

#include "exec/weights/gguf_file.h"
#include "tests/exec/weights/tiny_models.h"
#include "tests/support/aborts.h"

namespace scsim::exec {
namespace {

// What 16 bits mean by IEEE 754's definition, with so many bits of exponent.
float by_definition(std::uint32_t bits, int exponent_bits) {
  const int fraction_bits = 15 - exponent_bits;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = static_cast<int>(bits >> fraction_bits) & ((1 << exponent_bits) - 1);
  const int fraction = static_cast<int>(bits) & ((1 << fraction_bits) - 1);
  double value = std::ldexp(fraction, 1 - bias - fraction_bits);
  if (exponent > 0)
    value = std::ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits);
  if (exponent == (1 << exponent_bits) - 1) {
    value = fraction == 0 ? std::numeric_limits<double>::infinity()
                          : std::numeric_limits<double>::quiet_NaN();
  }
  return static_cast<float>((bits & 0x8000) != 0 ? -value : value);
}

void check_all_16_bits(ElementType type, int exponent_bits) {
  std::vector<std::uint16_t> all(1 << 16);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
  std::vector<float> floats(all.size());
  to_floats(type, std::as_bytes(std::span(all)), floats);
  for (std::uint32_t i = 0; i < all.size(); ++i) {
    const float expected = by_definition(i, exponent_bits);
    INFO("bits " << i);
    if (std::isnan(expected)) {
      REQUIRE(std::isnan(floats[i]));
    } else {
      REQUIRE(std::bit_cast<std::uint32_t>(floats[i]) == std::bit_cast<std::uint32_t>(expected));
    }
  }
}

}  // namespace

TEST_CASE("all 65,536 half and bfloat numbers have the value of IEEE 754's definition",
          "[exec][weights]") {
  check_all_16_bits(ElementType::kF16, 5);
  check_all_16_bits(ElementType::kBF16, 8);
}

TEST_CASE("quantised numbers are those that the gguf package computes, to the last bit",
          "[exec][weights]") {
  const auto file = GgufFile::open(test::kTinyModels + "quantised.gguf");
  const auto oracle = SafetensorsFile::open(test::kTinyModels + "quantised.safetensors");
  REQUIRE(file.has_value());
  REQUIRE(oracle.has_value());
  CHECK(file->tensors().size() == 8);
  for (const StoredTensor& tensor : file->tensors()) {
    INFO(tensor.name);
    CHECK(format_of(tensor.type).name == tensor.name);
    const StoredTensor* expected = oracle->find(tensor.name);
    REQUIRE(expected != nullptr);
    REQUIRE(expected->shape == tensor.shape);
    const std::vector<float> ours = test::floats(tensor), theirs = test::floats(*expected);
    CHECK(std::memcmp(ours.data(), theirs.data(), ours.size() * sizeof(float)) == 0);
  }
}

TEST_CASE("numbers at odd addresses, and some blocks of many, are read alike", "[exec][weights]") {
  const auto file = GgufFile::open(test::kTinyModels + "quantised.gguf");
  REQUIRE(file.has_value());
  for (const StoredTensor& tensor : file->tensors()) {
    INFO(tensor.name);
    const std::vector<float> whole = test::floats(tensor);
    std::vector<std::byte> shifted(tensor.bytes.size() + 1);
    std::ranges::copy(tensor.bytes, shifted.begin() + 1);
    const auto bytes = static_cast<std::size_t>(format_of(tensor.type).block_bytes);
    const auto elements = static_cast<std::size_t>(format_of(tensor.type).block_elements);
    std::vector<float> second_block(elements);
    to_floats(tensor.type, std::span(shifted).subspan(1 + bytes, bytes), second_block);
    CHECK(std::equal(second_block.begin(), second_block.end(),
                     whole.begin() + std::ssize(second_block)));
  }
}

TEST_CASE("a number of bytes that does not fit the elements is our own mistake",
          "[exec][weights]") {
  const std::vector<std::byte> bytes(64);
  std::vector<float> out(32);
  CHECK(test::aborts([&] { to_floats(ElementType::kQ8_0, std::span(bytes).first(33), out); }));
  CHECK(test::aborts([&] {
    to_floats(ElementType::kQ8_0, std::span(bytes).first(17), std::span(out).first(16));
  }));
  CHECK_FALSE(
      test::aborts([&] { to_floats(ElementType::kQ8_0, std::span(bytes).first(34), out); }));
}

}  // namespace scsim::exec
