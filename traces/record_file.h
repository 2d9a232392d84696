// The container of all our files: length-delimited protobuf records in checksummed zstd frames.
//
//   RecordWriter: create(path), append(record)..., finish()
//   RecordReader: open(path), next() until it gives no data
//
// A frame holds whole records and is verified before anything in it is used. A file that was cut
// or changed anywhere is named as such, with the offset of the frame; what is read is either all
// that was written or an error. The last record of a file is its footer, so a file that ends
// between two frames is noticed as well (by the format on top, which knows its footer).
// Files that grow over hours and survive their writer: traces/record_append.h.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "traces/expected.h"

namespace google::protobuf {
class MessageLite;
}

namespace scsim {

class RecordWriter {
 public:
  // Writes to `path.partial`, truncating it.
  static Expected<RecordWriter> create(const std::string& path);
  RecordWriter(RecordWriter&&) noexcept;
  RecordWriter& operator=(RecordWriter&&) noexcept;
  ~RecordWriter();  // without finish(): removes the partial file

  void append(const google::protobuf::MessageLite& record);
  std::uint64_t records() const;  // appended so far
  Expected<void> finish();        // last frame, sync, rename to `path`; reports any earlier error

 private:
  struct State;
  explicit RecordWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

class RecordReader {
 public:
  static constexpr std::uint64_t kWholeFile = ~std::uint64_t{0};
  // The file ends for this reader at `limit`, which whole_frames() gave.
  static Expected<RecordReader> open(const std::string& path, std::uint64_t limit = kWholeFile);
  // Of a file whose writer may have been killed: the bytes at its start that are whole frames. What
  // follows is the torn end of one that was being written; anything else is an error.
  static Expected<std::uint64_t> whole_frames(const std::string& path);
  RecordReader(RecordReader&&) noexcept;
  RecordReader& operator=(RecordReader&&) noexcept;
  ~RecordReader();

  // The bytes of the next record, valid until the next call; at the end of the file
  // `data() == nullptr`. After an error: not to be called again.
  Expected<std::string_view> next();
  // "path: frame at offset N" of the record last given, for messages.
  std::string where() const;
  std::uint64_t records() const;  // given so far
  std::uint64_t frame() const;    // offset of the current frame
  std::uint64_t offset() const;   // in the file, behind the current frame
  double progress() const;        // 0..1
  bool at_end();                  // nothing follows the record last given

 private:
  struct State;
  explicit RecordReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Parses the bytes of a record; false if they are no such message. Nothing is printed.
bool parse_record(std::string_view bytes, google::protobuf::MessageLite& message);

}  // namespace scsim
