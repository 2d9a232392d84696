#include "traces/files.h"

#include <zstd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/temporary_folder.h"
#include "traces/rng.h"

namespace scsim {
namespace {

std::string compress(const std::string& content) {
  std::string frame(ZSTD_compressBound(content.size()), '\0');
  frame.resize(ZSTD_compress(frame.data(), frame.size(), content.data(), content.size(), 3));
  return frame;
}

Expected<std::vector<std::string>> read_lines(const std::string& path) {
  Expected<LineReader> reader = LineReader::open(path);
  if (!reader) return reader.error();
  std::vector<std::string> lines;
  std::string line;
  while (true) {
    const Expected<bool> more = reader->next(line);
    if (!more) return more.error();
    if (!*more) break;
    lines.push_back(line);
    CHECK(reader->line_number() == std::ssize(lines));
  }
  CHECK(reader->line_number() == std::ssize(lines));
  return lines;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("a file that was written reads back", "[traces][files]") {
  test::TemporaryFolder folder;
  const std::string path = folder.file("x");
  const std::string content("a\0b\n\xFF", 5);
  REQUIRE(write_file(path, "something longer before").has_value());
  REQUIRE(write_file(path, content).has_value());
  CHECK(*read_file(path) == content);
  CHECK_FALSE(std::filesystem::exists(path + ".partial"));
  CHECK(read_file(folder.file("y")).error().message ==
        folder.file("y") + ": cannot open: No such file or directory");
  CHECK(write_file(folder.file(""), "a").error().message ==
        folder.file("") + ": cannot write: it is a directory");
}

TEST_CASE("a symbolic link stays one and a device is written directly", "[traces][files]") {
  test::TemporaryFolder folder;
  REQUIRE(write_file(folder.file("real"), "before").has_value());
  std::filesystem::create_symlink(folder.file("real"), folder.file("link"));
  REQUIRE(write_file(folder.file("link"), "after").has_value());
  CHECK(std::filesystem::is_symlink(folder.file("link")));
  CHECK(*read_file(folder.file("real")) == "after");
  CHECK(write_file("/dev/null", "gone").has_value());
  CHECK(std::filesystem::is_character_file("/dev/null"));
}

TEST_CASE("lines are read from plain and compressed files alike", "[traces][files]") {
  test::TemporaryFolder folder;
  const std::string path = folder.file("x");
  const std::vector<std::pair<std::string, Lines>> cases = {{"", {}},
                                                            {"\n", {""}},
                                                            {"a", {"a"}},
                                                            {"a\n", {"a"}},
                                                            {"a\r\nb\n\nc", {"a", "b", "", "c"}},
                                                            {"\r\n\r", {"", ""}}};
  for (const auto& [content, lines] : cases) {
    REQUIRE(write_file(path, content).has_value());
    CHECK(*read_lines(path) == lines);
    REQUIRE(write_file(path, compress(content)).has_value());
    CHECK(*read_lines(path) == lines);
  }
  REQUIRE(write_file(path, compress("a\nb") + compress("c\nd")).has_value());
  CHECK(*read_lines(path) == Lines{"a", "bc", "d"});
}

TEST_CASE("lines longer than any buffer are read whole", "[traces][files]") {
  test::TemporaryFolder folder;
  Rng rng(1, "tests.files");
  Lines lines;
  std::string content;
  for (int i = 0; i < 200; ++i) {
    std::string line(rng.below(i % 20 == 0 ? 400'000 : 3000), ' ');
    for (char& c : line) c = static_cast<char>('a' + rng.below(26));
    content += line + "\n";
    lines.push_back(std::move(line));
  }
  REQUIRE(write_file(folder.file("plain"), content).has_value());
  CHECK((*read_lines(folder.file("plain")) == lines));
  REQUIRE(write_file(folder.file("packed"), compress(content)).has_value());
  CHECK((*read_lines(folder.file("packed")) == lines));
}

TEST_CASE("a compressed file that was cut is an error, not an end", "[traces][files]") {
  test::TemporaryFolder folder;
  const std::string path = folder.file("x");
  const std::string bytes = compress("one\ntwo\nthree\n");
  for (std::size_t cut = 5; cut < bytes.size(); ++cut) {
    test::overwrite(path, bytes.substr(0, cut));
    CHECK(read_lines(path).error().message ==
          path + ": ends at offset " + std::to_string(cut) +
              " in the middle of a zstd frame; the file was cut");
  }
  REQUIRE(write_file(path, bytes + "plain text behind it").has_value());
  CHECK(read_lines(path).error().message.find("is corrupt (") != std::string::npos);
}

}  // namespace scsim
