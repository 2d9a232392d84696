#include "exec/weights/gguf_file.h"

#include <catch2/catch.hpp>

#include "tests/exec/weights/gguf_bytes.h"
#include "tests/support/temporary_folder.h"

namespace scsim::exec {
namespace {

using test::GgufBytes;
using test::raw;
using test::raw_text;

const std::string kSixFloats = raw(0.5F) + raw(1.5F) + raw(-2.F) + raw(3.F) + raw(4.F) + raw(5.F);

Expected<GgufFile> open(const std::string& bytes) {
  static const test::TemporaryFolder folder;
  test::overwrite(folder.file("x.gguf"), bytes);
  return GgufFile::open(folder.file("x.gguf"));
}

std::string error_of(const std::string& bytes) {
  const Expected<GgufFile> file = open(bytes);
  return file ? "no error" : file.error().message;
}

std::string error_of_tensor(const GgufBytes::Tensor& tensor) {
  GgufBytes file;
  file.add_tensor(tensor);
  return error_of(file.bytes());
}

using Catch::Matchers::Contains;

}  // namespace

TEST_CASE("metadata of every kind is read as it was written", "[exec][weights]") {
  for (const std::uint32_t version : {2U, 3U}) {
    GgufBytes bytes;
    bytes.version = version;
    bytes.add("u8", 0, raw(std::uint8_t{200}));
    bytes.add("i8", 1, raw(std::int8_t{-100}));
    bytes.add("u16", 2, raw(std::uint16_t{60000}));
    bytes.add("i16", 3, raw(std::int16_t{-30000}));
    bytes.add("u32", 4, raw(std::uint32_t{4'000'000'000}));
    bytes.add("i32", 5, raw(std::int32_t{-2'000'000'000}));
    bytes.add("f32", 6, raw(0.25F));
    bytes.add("yes", 7, raw(std::uint8_t{1}));
    bytes.add_text("text", "two words");
    bytes.add("u64", 10, raw(std::uint64_t{1} << 40));
    bytes.add("i64", 11, raw(-(std::int64_t{1} << 40)));
    bytes.add("f64", 12, raw(1e300));
    bytes.add("texts", 9, raw(8U) + raw(std::uint64_t{2}) + raw_text("a") + raw_text("bc"));
    bytes.add("numbers", 9, raw(6U) + raw(std::uint64_t{2}) + raw(1.F) + raw(-2.F));
    bytes.add("integers", 9, raw(5U) + raw(std::uint64_t{3}) + raw(1) + raw(-2) + raw(3));
    bytes.add("flags", 9, raw(7U) + raw(std::uint64_t{2}) + std::string("\1\0", 2));
    const Expected<GgufFile> file = open(bytes.bytes());
    REQUIRE(file.has_value());
    CHECK(file->version() == version);
    CHECK(file->integer("u8") == 200);
    CHECK(file->integer("i8") == -100);
    CHECK(file->integer("u16") == 60000);
    CHECK(file->integer("i16") == -30000);
    CHECK(file->integer("u32") == 4'000'000'000);
    CHECK(file->integer("i32") == -2'000'000'000);
    CHECK(file->integer("u64") == std::int64_t{1} << 40);
    CHECK(file->integer("i64") == -(std::int64_t{1} << 40));
    CHECK(file->number("f32") == 0.25);
    CHECK(file->number("f64") == 1e300);
    CHECK(file->number("i8") == -100.);
    CHECK(file->flag("yes") == true);
    CHECK(file->text("text") == "two words");
    CHECK(file->texts("texts") == std::vector<std::string_view>{"a", "bc"});
    CHECK(file->numbers("numbers") == std::vector<double>{1, -2});
    CHECK(file->integers("integers") == std::vector<std::int64_t>{1, -2, 3});
    CHECK(file->integers("flags") == std::vector<std::int64_t>{1, 0});
    CHECK_FALSE(file->integer("text").has_value());  // another kind
    CHECK_FALSE(file->integer("none").has_value());
    CHECK(file->texts("none").empty());
  }
}

TEST_CASE("tensors have their rows outermost first and lie where the alignment puts them",
          "[exec][weights]") {
  for (const std::uint64_t alignment : {8U, 32U, 4096U}) {
    GgufBytes bytes;
    bytes.alignment = alignment;
    bytes.add_u32("general.alignment", static_cast<std::uint32_t>(alignment));
    bytes.add_tensor({"first", {1}, 0, raw(7.F)});
    bytes.add_tensor({"x", {2, 3}, 0, kSixFloats});
    const Expected<GgufFile> file = open(bytes.bytes());
    REQUIRE(file.has_value());
    REQUIRE(file->tensors().size() == 2);
    const StoredTensor& x = file->tensors()[1];
    CHECK(x.name == "x");
    CHECK(x.shape == std::vector<std::int64_t>{2, 3});
    std::vector<float> values(6);
    to_floats(x.type, x.bytes, values);
    CHECK(values == std::vector<float>{0.5F, 1.5F, -2, 3, 4, 5});
  }
}

TEST_CASE("what is no GGUF file, or one of another age or byte order, is said to be so",
          "[exec][weights]") {
  CHECK_THAT(error_of("PK\3\4 is an archive"),
             Contains("x.gguf: offset 0: expected the letters GGUF"));
  GgufBytes bytes;
  bytes.version = 1;
  CHECK_THAT(error_of(bytes.bytes()), Contains("offset 4: expected version 2 or 3, found 1"));
  bytes.version = 0x03000000;
  CHECK_THAT(error_of(bytes.bytes()), Contains("big-endian"));
  CHECK_THAT(error_of(""), Contains("found it empty"));
}

TEST_CASE("tensors that cannot be are refused with the offset", "[exec][weights]") {
  CHECK_THAT(error_of_tensor({"x", {2, 3}, 10, kSixFloats}),
             Contains("offset 24: tensor \"x\" is of type Q2_K, which is not read; known: F32"));
  CHECK_THAT(error_of_tensor({"x", {2, 48}, 2, kSixFloats}),
             Contains("of shape [2, 48] cannot be stored as Q4_0"));
  CHECK_THAT(error_of_tensor({"x", {1U << 31, 1U << 31, 1U << 31}, 0, kSixFloats}),
             Contains("cannot be stored"));
  CHECK_THAT(error_of_tensor({"x", {2, 3}, 0, kSixFloats, 4}),
             Contains("no multiple of the alignment 32"));
  CHECK_THAT(error_of_tensor({"x", {2, 3}, 0, kSixFloats.substr(1)}),
             Contains("tensor \"x\" has 24 bytes at 0 of the data, which begins at offset 96; the "
                      "file ends at offset 119"));
  CHECK_THAT(error_of_tensor({"x", {1, 1, 1, 1, 1}, 0, kSixFloats}), Contains("5 dimensions"));

  GgufBytes twice;
  twice.add_tensor({"x", {6}, 0, kSixFloats});
  twice.add_tensor({"x", {6}, 0, kSixFloats});
  CHECK_THAT(error_of(twice.bytes()), Contains("tensor \"x\" is there twice"));
  GgufBytes overlapping;
  overlapping.add_tensor({"x", {6}, 0, kSixFloats + kSixFloats, 0});
  overlapping.add_tensor({"y", {12}, 0, kSixFloats + kSixFloats, 0});
  CHECK_THAT(error_of(overlapping.bytes()), Contains("tensors \"x\" and \"y\" overlap at offset"));
}

TEST_CASE("metadata that cannot be is refused with the offset", "[exec][weights]") {
  const auto error_of_value = [](std::uint32_t kind, const std::string& value) {
    GgufBytes bytes;
    bytes.add("k", kind, value);
    return error_of(bytes.bytes());
  };
  CHECK_THAT(error_of_value(13, raw(1)),
             Contains("offset 24: metadata \"k\" is of the unknown kind 13"));
  CHECK_THAT(error_of_value(9, raw(9U) + raw(std::uint64_t{1})), Contains("unsupported kind 9"));
  // Counts beyond the file cost no memory.
  CHECK_THAT(error_of_value(9, raw(8U) + raw(~std::uint64_t{0})), Contains("more than the rest"));
  CHECK_THAT(error_of_value(9, raw(0U) + raw(std::uint64_t{1} << 40)),
             Contains("more than the rest"));
  CHECK_THAT(error_of_value(8, raw(~std::uint64_t{0})), Contains("found the file's end"));
  GgufBytes twice;
  twice.add_u32("k", 1);
  twice.add_u32("k", 1);
  CHECK_THAT(error_of(twice.bytes()), Contains("metadata \"k\" is there twice"));
  GgufBytes aligned;
  aligned.add_u32("general.alignment", 24);
  CHECK_THAT(error_of(aligned.bytes()), Contains("general.alignment must be a power of two"));
}

}  // namespace scsim::exec
