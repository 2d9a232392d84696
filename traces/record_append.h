// A file of records (traces/record_file.h) that grows over hours and outlives the process that
// writes it: each sync() makes one frame of the records appended since the last one, and it is on
// disk when sync() returns. A process killed at any moment leaves whole frames and at most one torn
// one behind them.
//
//   Expected<RecordAppender> file = RecordAppender::open("cal.pb.partial");
//   Expected<std::uint64_t> whole = RecordReader::whole_frames("cal.pb.partial");
//   file->cut_to(*whole);              // what is torn goes
//   file->append(record); file->sync();
//   file->rename("cal.pb");
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "traces/expected.h"

namespace google::protobuf {
class MessageLite;
}

namespace scsim {

class RecordAppender {
 public:
  // Opens or creates it, for this process alone: an error while another one has it open.
  static Expected<RecordAppender> open(const std::string& path);
  RecordAppender(RecordAppender&&) noexcept;
  RecordAppender& operator=(RecordAppender&&) noexcept;
  ~RecordAppender();  // the file stays

  std::uint64_t bytes() const;
  Expected<void> cut_to(std::uint64_t bytes);
  // REQUIRES: what is appended between two calls of sync() is less than 256 MiB.
  void append(const google::protobuf::MessageLite& record);
  // After an error the file may end in a torn frame, and every further call gives that error.
  Expected<void> sync();
  Expected<void> rename(const std::string& to);  // all of it is synced. Closes the file.

 private:
  struct State;
  explicit RecordAppender(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace scsim
