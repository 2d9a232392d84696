#include "traces/record_file.h"

#include <zstd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/temporary_folder.h"
#include "traces/files.h"
#include "traces/proto/trace.pb.h"
#include "traces/rng.h"

namespace scsim {
namespace {

void write_records(const std::string& path, const std::vector<std::string>& notes) {
  Expected<RecordWriter> writer = RecordWriter::create(path);
  REQUIRE(writer.has_value());
  for (const std::string& note : notes) {
    proto::FileHeader record;
    record.set_notes(note);
    writer->append(record);
  }
  CHECK(writer->records() == notes.size());
  CHECK(writer->finish().has_value());
}

Expected<std::vector<std::string>> read_records(const std::string& path) {
  Expected<RecordReader> reader = RecordReader::open(path);
  if (!reader) return reader.error();
  std::vector<std::string> notes;
  while (true) {
    Expected<std::string_view> bytes = reader->next();
    if (!bytes) return bytes.error();
    if (bytes->data() == nullptr) break;
    proto::FileHeader record;
    REQUIRE(record.ParseFromArray(bytes->data(), static_cast<int>(bytes->size())));
    notes.push_back(record.notes());
    CHECK(reader->records() == notes.size());
  }
  CHECK(reader->at_end());
  CHECK(reader->progress() == 1.0);
  return notes;
}

// Letters that do not compress well.
std::string noise(std::size_t size, Rng& rng) {
  std::string text(size, ' ');
  for (char& c : text) c = static_cast<char>('a' + rng.below(26));
  return text;
}

std::string compress(const std::string& content, bool checksum, bool size) {
  ZSTD_CCtx* encoder = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(encoder, ZSTD_c_checksumFlag, checksum);
  ZSTD_CCtx_setParameter(encoder, ZSTD_c_contentSizeFlag, size);
  std::string frame(ZSTD_compressBound(content.size()), '\0');
  frame.resize(ZSTD_compress2(encoder, frame.data(), frame.size(), content.data(), content.size()));
  ZSTD_freeCCtx(encoder);
  return frame;
}

std::string error_of(const std::string& path) {
  const Expected<std::vector<std::string>> records = read_records(path);
  return records ? "no error" : records.error().message;
}

}  // namespace

TEST_CASE("records come back in order, across frames and of all sizes", "[traces][record_file]") {
  test::TemporaryFolder folder;
  Rng rng(1, "tests.record_file");
  std::vector<std::string> notes = {"", "a", noise(127, rng), noise(128, rng)};
  for (int i = 0; i < 3000; ++i) notes.push_back(noise(rng.below(2000), rng));
  notes.push_back(noise(5 << 20, rng));  // larger than a frame is meant to be
  notes.push_back("last");
  const std::string path = folder.file("x.pb");
  write_records(path, notes);
  CHECK_FALSE(std::filesystem::exists(path + ".partial"));
  const Expected<std::vector<std::string>> back = read_records(path);
  REQUIRE(back.has_value());
  CHECK((*back == notes));

  write_records(folder.file("y.pb"), notes);
  CHECK(*read_file(path) == *read_file(folder.file("y.pb")));  // INV-SAME
}

TEST_CASE("nothing appears under the name before finish", "[traces][record_file]") {
  test::TemporaryFolder folder;
  const std::string path = folder.file("x.pb");
  {
    Expected<RecordWriter> writer = RecordWriter::create(path);
    REQUIRE(writer.has_value());
    writer->append(proto::FileHeader());
    CHECK_FALSE(std::filesystem::exists(path));
    CHECK(std::filesystem::exists(path + ".partial"));
  }
  CHECK_FALSE(std::filesystem::exists(path + ".partial"));
  CHECK(RecordWriter::create(folder.file("no/x.pb")).error().message ==
        folder.file("no/x.pb") + ": cannot write: No such file or directory");
}

TEST_CASE("a file of several frames cut or changed anywhere is an error", "[traces][record_file]") {
  test::TemporaryFolder folder;
  Rng rng(2, "tests.record_file");
  const std::string path = folder.file("x.pb"), broken = folder.file("broken.pb");
  std::vector<std::string> notes = {"first", std::string(1 << 20, 'x'), noise(300, rng), "last"};
  write_records(path, notes);
  const std::string bytes = *read_file(path);
  REQUIRE(bytes.size() < 1000);

  // What is read from a file that was cut is a beginning of the records only where it was cut
  // between two frames, which the footers of the formats notice; elsewhere it is an error.
  std::size_t whole_frames = 0;
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    test::overwrite(broken, bytes.substr(0, cut));
    const Expected<std::vector<std::string>> read = read_records(broken);
    INFO("cut at " << cut);
    if (read) {
      ++whole_frames;
      REQUIRE(read->size() < notes.size());
      CHECK(std::equal(read->begin(), read->end(), notes.begin()));
    } else if (cut == 0) {
      CHECK(read.error().message == broken + ": is empty");
    } else {
      CHECK(read.error().message.starts_with(broken + ": ends at offset " + std::to_string(cut) +
                                             " in the middle of a frame (the one at offset "));
    }
  }
  CHECK(whole_frames == 1);

  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ (1 << rng.below(8)));
    test::overwrite(broken, changed);
    const Expected<std::vector<std::string>> read = read_records(broken);
    INFO("changed at " << at);
    if (read) {
      CHECK((*read == notes));
    } else {
      CHECK(read.error().message.find("offset") != std::string::npos);
    }
  }
}

TEST_CASE("what is not a frame of ours is refused by name", "[traces][record_file]") {
  test::TemporaryFolder folder;
  const std::string path = folder.file("x.pb");
  const auto error_of_bytes = [&](const std::string& bytes) {
    REQUIRE(write_file(path, bytes).has_value());
    return error_of(path);
  };
  const std::string record = std::string("\x03\x3A\x01") + "a";  // a header with notes "a"
  CHECK(error_of_bytes(compress(record, true, true)) == "no error");
  CHECK(error_of_bytes("hello, world") ==
        path + ": no frame begins at offset 0; it is not a file of SCSim");
  CHECK(error_of_bytes(compress(record, false, true)) ==
        path + ": frame at offset 0 is corrupt (it has no checksum)");
  CHECK(error_of_bytes(compress(record, true, false)) ==
        path + ": frame at offset 0 is corrupt (it does not state its size)");
  CHECK(error_of_bytes(compress(record.substr(0, 2), true, true)) ==
        path + ": frame at offset 0 is corrupt (a record runs past its end)");
  const std::string frame = compress(record, true, true);
  CHECK(error_of_bytes(frame + "more of it") ==
        path + ": no frame begins at offset " + std::to_string(frame.size()) +
            "; the file was changed, or something was appended to it");
  std::string wrong_checksum = frame;
  wrong_checksum.back() = static_cast<char>(wrong_checksum.back() ^ 1);
  CHECK(error_of_bytes(frame + wrong_checksum) == path + ": frame at offset " +
                                                      std::to_string(frame.size()) +
                                                      " is corrupt (checksum does not match)");
  CHECK(error_of(folder.file("none.pb")) ==
        folder.file("none.pb") + ": cannot open: No such file or directory");
  CHECK(error_of(folder.file("")) == folder.file("") + ": cannot open: it is a directory");
}

TEST_CASE("a frame is believed only as far as its blocks can hold", "[traces][record_file]") {
  test::TemporaryFolder folder;
  const std::string path = folder.file("x.pb");
  // Magic; descriptor: 4-byte size, single segment, checksum; size; one empty last block; checksum.
  const std::string head("\x28\xB5\x2F\xFD\xA4", 5);
  const std::string rest(
      "\x01\x00\x00"
      "abcd",
      7);
  REQUIRE(write_file(path, head + std::string("\x00\x00\x00\x10", 4) + rest).has_value());
  CHECK(error_of(path) ==
        path + ": frame at offset 0 is corrupt (its blocks do not hold what it claims)");
  REQUIRE(write_file(path, head + std::string("\x01\x00\x00\x10", 4) + rest).has_value());
  CHECK(error_of(path) ==
        path + ": frame at offset 0 is corrupt (it claims to hold more than 256 MiB)");
}

}  // namespace scsim
