#include "exec/weights/safetensors_file.h"

#include <catch2/catch.hpp>

#include "tests/exec/weights/gguf_bytes.h"
#include "tests/exec/weights/tiny_models.h"
#include "tests/support/temporary_folder.h"

namespace scsim::exec {
namespace {

using Catch::Matchers::Contains;
using test::raw;

std::string bytes_of(const std::string& table, const std::string& data) {
  return test::raw_text(table) + data;
}

Expected<SafetensorsFile> open(const std::string& bytes) {
  static const test::TemporaryFolder folder;
  test::overwrite(folder.file("x.safetensors"), bytes);
  return SafetensorsFile::open(folder.file("x.safetensors"));
}

std::string error_of(const std::string& table, const std::string& data = "01234567") {
  const Expected<SafetensorsFile> file = open(bytes_of(table, data));
  return file ? "no error" : file.error().message;
}

}  // namespace

TEST_CASE("a safetensors file gives its tensors by name", "[exec][weights]") {
  const auto file = open(
      bytes_of(R"({"__metadata__": {"format": "pt"},)"
               R"( "b": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]},)"
               R"( "a": {"dtype": "BF16", "shape": [1, 2], "data_offsets": [0, 4]},)"
               R"( "ids": {"dtype": "I64", "shape": [1], "data_offsets": [12, 20]},)"
               R"( "none": {"dtype": "F32", "shape": [0], "data_offsets": [20, 20]}}   )",
               raw(std::uint32_t{0x40003f80}) + raw(1.5F) + raw(-2.5F) + raw(std::int64_t{3})));
  REQUIRE(file.has_value());
  REQUIRE(file->tensors().size() == 3);
  CHECK(test::floats(*file->find("a")) == std::vector<float>{1, 2});
  CHECK(test::floats(*file->find("b")) == std::vector<float>{1.5F, -2.5F});
  CHECK(test::floats(*file->find("none")).empty());
  CHECK(file->find("ids") == nullptr);
  CHECK(file->others().at("ids") == "I64");
}

TEST_CASE("safetensors tables that cannot be are refused", "[exec][weights]") {
  CHECK_THAT(error_of("no table"), Contains("offset 8: expected a JSON table"));
  CHECK_THAT(error_of(R"({"a": {"dtype": "F32", "shape": [2]}})"),
             Contains("expected a JSON table"));
  CHECK_THAT(error_of(R"({"a": {"dtype": "F31", "shape": [2], "data_offsets": [0, 8]}})"),
             Contains("tensor \"a\" is of the unknown type \"F31\""));
  CHECK_THAT(error_of(R"({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}})"),
             Contains("of shape [3] and type F32 does not have 8 bytes"));
  CHECK_THAT(error_of(R"({"a": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}})"),
             Contains("does not have 8 bytes"));
  CHECK_THAT(error_of(R"({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}})"),
             Contains("must lie within the 8 bytes"));
  CHECK_THAT(error_of(R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})"),
             Contains("expected the file's end behind the last tensor"));
  CHECK_THAT(error_of(R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}})"),
             Contains("begins behind a hole"));
  CHECK_THAT(error_of(R"({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},)"
                      R"( "b": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}})"),
             Contains("tensor \"b\" overlaps the one before it"));
  const Expected<SafetensorsFile> no_file = open("GGUF and more bytes");
  REQUIRE_FALSE(no_file.has_value());
  CHECK_THAT(no_file.error().message, Contains("expected a safetensors file"));
}

}  // namespace scsim::exec
