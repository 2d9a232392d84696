#include "traces/record_append.h"

#include <fcntl.h>
#include <google/protobuf/message_lite.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "traces/check.h"
#include "traces/record_frame.h"

namespace scsim {
namespace {

// A new name is on disk when its folder is. Not every file system can do it; the name is there all
// the same, so what fails here is not the caller's concern.
void sync_folder_of(const std::string& path) {
  std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (folder.empty()) folder = ".";
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

}  // namespace

struct RecordAppender::State {
  std::string path;
  int descriptor = -1;
  std::uint64_t bytes = 0;
  FrameEncoder frame{};
  std::string error{};

  ~State() {
    if (descriptor >= 0) ::close(descriptor);  // and with it the lock
  }

  Error fail(const std::string& what) {
    error = path + ": " + what + ": " + std::strerror(errno);
    return Error{error};
  }

  Expected<void> write(std::string_view data) {
    while (!data.empty()) {
      const ssize_t written = ::write(descriptor, data.data(), data.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return fail("cannot write");
      data.remove_prefix(static_cast<std::size_t>(written));
      bytes += static_cast<std::uint64_t>(written);
    }
    return {};
  }
};

RecordAppender::RecordAppender(std::unique_ptr<State> state) : state_(std::move(state)) {}
RecordAppender::RecordAppender(RecordAppender&&) noexcept = default;
RecordAppender& RecordAppender::operator=(RecordAppender&&) noexcept = default;
RecordAppender::~RecordAppender() = default;

Expected<RecordAppender> RecordAppender::open(const std::string& path) {
  auto state = std::make_unique<State>();
  state->path = path;
  state->descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (state->descriptor < 0) return state->fail("cannot write");
  if (::flock(state->descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return Error{path + ": another process is writing it"};
    return state->fail("cannot lock");
  }
  struct stat info {};
  if (::fstat(state->descriptor, &info) != 0) return state->fail("cannot open");
  if (!S_ISREG(info.st_mode)) return Error{path + ": cannot write: it is not a plain file"};
  state->bytes = static_cast<std::uint64_t>(info.st_size);
  sync_folder_of(path);
  return RecordAppender(std::move(state));
}

std::uint64_t RecordAppender::bytes() const { return state_->bytes; }

Expected<void> RecordAppender::cut_to(std::uint64_t bytes) {
  SCSIM_CHECK_LE(bytes, state_->bytes);
  if (bytes == state_->bytes) return {};
  if (::ftruncate(state_->descriptor, static_cast<off_t>(bytes)) != 0 ||
      ::fsync(state_->descriptor) != 0) {
    return state_->fail("cannot cut");
  }
  state_->bytes = bytes;
  return {};
}

void RecordAppender::append(const google::protobuf::MessageLite& record) {
  const std::size_t bytes = record.ByteSizeLong();
  SCSIM_CHECK_LE(state_->frame.size() + bytes + kLongestVarint, kLargestFrameContent);
  state_->frame.append(record, bytes);
}

Expected<void> RecordAppender::sync() {
  State& state = *state_;
  if (!state.error.empty()) return Error{state.error};
  if (state.frame.size() == 0) return {};
  if (Expected<void> written = state.write(state.frame.compress()); !written) return written;
  if (::fdatasync(state.descriptor) != 0) return state.fail("cannot write");
  return {};
}

Expected<void> RecordAppender::rename(const std::string& to) {
  State& state = *state_;
  if (Expected<void> synced = sync(); !synced) return synced;
  if (::fsync(state.descriptor) != 0) return state.fail("cannot write");
  if (std::rename(state.path.c_str(), to.c_str()) != 0) return state.fail("cannot rename");
  sync_folder_of(to);
  ::close(std::exchange(state.descriptor, -1));
  state.error = state.path + ": was renamed";
  return {};
}

}  // namespace scsim
