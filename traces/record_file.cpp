// A frame is read whole by walking its block headers (RFC 8878, 3.1.1), because zstd alone would
// give out bytes of a frame before it has seen the checksum behind them, and because the walk says
// where a cut file ends. Memory is one frame, compressed and not; what a frame claims to hold is
// believed only as far as its blocks can hold it, so a flipped size allocates nothing large.
#include "traces/record_file.h"

#include <google/protobuf/message_lite.h>
#include <google/protobuf/stubs/logging.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "traces/files.h"
#include "traces/record_frame.h"

namespace scsim {
namespace {

constexpr std::size_t kFrameContent = 1 << 20;  // a frame is closed when it holds this much
constexpr std::string_view kMagic = "\x28\xB5\x2F\xFD";
constexpr std::size_t kLargestBlock = 1 << 17;  // of zstd

struct FreeDecoder {
  void operator()(ZSTD_DCtx* decoder) const { ZSTD_freeDCtx(decoder); }
};

// Takes a varint off the front of `from`; false if there is none.
bool take_varint(std::string_view& from, std::uint64_t& value) {
  value = 0;
  for (std::size_t i = 0; i < std::min(from.size(), kLongestVarint); ++i) {
    const auto byte = static_cast<unsigned char>(from[i]);
    value |= static_cast<std::uint64_t>(byte & 0x7F) << (7 * i);
    if (byte < 0x80) {
      from.remove_prefix(i + 1);
      return true;
    }
  }
  return false;
}

}  // namespace

struct RecordWriter::State {
  PartialFile file;
  std::string path;
  FrameEncoder frame{};
  std::uint64_t records = 0;
  std::string error{};

  void write_frame() {
    if (frame.size() > 0) file.write(frame.compress());
  }
};

RecordWriter::RecordWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
RecordWriter::RecordWriter(RecordWriter&&) noexcept = default;
RecordWriter& RecordWriter::operator=(RecordWriter&&) noexcept = default;
RecordWriter::~RecordWriter() = default;

Expected<RecordWriter> RecordWriter::create(const std::string& path) {
  Expected<PartialFile> file = PartialFile::create(path);
  if (!file) return file.error();
  return RecordWriter(std::unique_ptr<State>(new State{std::move(*file), path}));
}

void RecordWriter::append(const google::protobuf::MessageLite& record) {
  const std::size_t size = record.ByteSizeLong();
  if (size + kLongestVarint > kLargestFrameContent) {
    if (state_->error.empty()) {
      state_->error = state_->path + ": record " + std::to_string(state_->records) + " has " +
                      std::to_string(size) + " bytes; at most " +
                      std::to_string(kLargestFrameContent) + " can be written";
    }
    return;
  }
  FrameEncoder& frame = state_->frame;
  if (frame.size() + size + kLongestVarint > kLargestFrameContent) state_->write_frame();
  frame.append(record, size);
  ++state_->records;
  if (frame.size() >= kFrameContent) state_->write_frame();
}

std::uint64_t RecordWriter::records() const { return state_->records; }

Expected<void> RecordWriter::finish() {
  if (!state_->error.empty()) return Error{state_->error};
  state_->write_frame();
  return state_->file.commit();
}

struct RecordReader::State {
  std::string path;
  OpenedFile file;
  std::unique_ptr<ZSTD_DCtx, FreeDecoder> decoder;
  std::string compressed;        // the current frame as it lies in the file
  std::string content;           // memory of `rest`
  std::string_view rest;         // records of the current frame not given yet
  std::uint64_t frame = 0;       // offset of the current frame
  std::uint64_t next_frame = 0;  // offset behind it
  std::uint64_t limit = kWholeFile;
  std::uint64_t records = 0;
  bool unfinished = false;  // the frame that was wrong began as one of ours and lacks its end

  static Expected<std::unique_ptr<State>> open(const std::string& path);

  Error corrupt(const std::string& why) const {
    return Error{path + ": frame at offset " + std::to_string(frame) + " is corrupt (" + why + ")"};
  }

  // Appends `count` bytes of the file to `compressed`.
  Expected<void> take(std::size_t count) {
    const std::size_t at = compressed.size();
    compressed.resize(at + count);
    const std::size_t got = std::fread(compressed.data() + at, 1, count, file.handle.get());
    next_frame += got;
    if (got == count) return {};
    if (std::ferror(file.handle.get())) {
      return Error{path + ": cannot read at offset " + std::to_string(next_frame)};
    }
    unfinished = kMagic.starts_with(
        std::string_view(compressed).substr(0, std::min(at + got, kMagic.size())));
    return Error{path + ": ends at offset " + std::to_string(next_frame) +
                 " in the middle of a frame (the one at offset " + std::to_string(frame) +
                 "); the file was cut or changed"};
  }

  std::uint32_t byte(std::size_t at) const { return static_cast<unsigned char>(compressed[at]); }

  // Reads and verifies the frame at next_frame; false at the end of the file.
  Expected<bool> read_frame() {
    frame = next_frame;
    compressed.clear();
    if (frame >= limit) return false;
    const int first = std::fgetc(file.handle.get());
    if (first == EOF && !std::ferror(file.handle.get())) return false;
    if (first != EOF) std::ungetc(first, file.handle.get());

    // Magic number and frame header descriptor, then the rest of the header.
    if (Expected<void> read = take(5); !read) return read.error();
    if (!compressed.starts_with(kMagic)) {
      return Error{path + ": no frame begins at offset " + std::to_string(frame) +
                   (frame == 0 ? "; it is not a file of SCSim"
                               : "; the file was changed, or something was appended to it")};
    }
    const std::uint32_t descriptor = byte(4);
    const bool single_segment = (descriptor & 0x20) != 0;
    const bool has_checksum = (descriptor & 0x04) != 0;
    const std::uint32_t size_code = descriptor >> 6, dictionary_code = descriptor & 3;
    if (!has_checksum) return corrupt("it has no checksum");
    if (size_code == 0 && !single_segment) return corrupt("it does not state its size");
    if (dictionary_code != 0) return corrupt("it asks for a dictionary");
    const std::size_t size_bytes = std::size_t{1} << size_code;
    if (Expected<void> read = take((single_segment ? 0 : 1) + size_bytes); !read) {
      return read.error();
    }
    const std::uint64_t claimed = ZSTD_getFrameContentSize(compressed.data(), compressed.size());
    if (claimed > kLargestFrameContent) return corrupt("it claims to hold more than 256 MiB");

    // Blocks: 3 bytes of last, type and size, then the data (1 byte if it is to be repeated).
    std::uint64_t can_hold = 0;
    for (bool last = false; !last;) {
      const std::size_t at = compressed.size();
      if (Expected<void> read = take(3); !read) return read.error();
      const std::uint32_t header = byte(at) | byte(at + 1) << 8 | byte(at + 2) << 16;
      const std::uint32_t type = (header >> 1) & 3, size = header >> 3;
      last = (header & 1) != 0;
      if (type == 3 || size > kLargestBlock) return corrupt("it has an impossible block");
      can_hold += type == 2 ? kLargestBlock : std::max(size, 1u);
      if (can_hold > kLargestFrameContent + kLargestBlock) return corrupt("it does not end");
      if (Expected<void> read = take(type == 1 ? 1 : size); !read) return read.error();
    }
    if (Expected<void> read = take(4); !read) return read.error();  // checksum
    if (claimed > can_hold) return corrupt("its blocks do not hold what it claims");

    content.resize(claimed);
    const std::size_t got = ZSTD_decompressDCtx(decoder.get(), content.data(), content.size(),
                                                compressed.data(), compressed.size());
    if (ZSTD_isError(got)) {
      unfinished = true;
      return corrupt(ZSTD_getErrorCode(got) == ZSTD_error_checksum_wrong ? "checksum does not match"
                                                                         : ZSTD_getErrorName(got));
    }
    if (got != claimed) return corrupt("it holds less than it claims");
    rest = content;
    return true;
  }
};

RecordReader::RecordReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
RecordReader::RecordReader(RecordReader&&) noexcept = default;
RecordReader& RecordReader::operator=(RecordReader&&) noexcept = default;
RecordReader::~RecordReader() = default;

Expected<std::unique_ptr<RecordReader::State>> RecordReader::State::open(const std::string& path) {
  Expected<OpenedFile> file = open_for_reading(path);
  if (!file) return file.error();
  auto state = std::make_unique<State>();
  state->path = path;
  state->file = std::move(*file);
  state->decoder.reset(ZSTD_createDCtx());
  SCSIM_CHECK(state->decoder != nullptr);
  return state;
}

Expected<RecordReader> RecordReader::open(const std::string& path, std::uint64_t limit) {
  Expected<std::unique_ptr<State>> opened = State::open(path);
  if (!opened) return opened.error();
  std::unique_ptr<State> state = std::move(*opened);
  state->limit = limit;
  Expected<bool> any = state->read_frame();
  if (!any) return any.error();
  if (!*any) return Error{path + ": is empty"};
  return RecordReader(std::move(state));
}

Expected<std::string_view> RecordReader::next() {
  State& state = *state_;
  while (state.rest.empty()) {
    Expected<bool> more = state.read_frame();
    if (!more) return more.error();
    if (!*more) return std::string_view();
  }
  std::uint64_t size = 0;
  if (!take_varint(state.rest, size) || size > state.rest.size()) {
    return state.corrupt("a record runs past its end");
  }
  // Not substr(0, 0) of an empty rest, whose data may be null: the content is never empty here.
  const std::string_view record(state.rest.data(), size);
  state.rest.remove_prefix(size);
  ++state.records;
  return record;
}

std::string RecordReader::where() const {
  return state_->path + ": frame at offset " + std::to_string(state_->frame);
}

std::uint64_t RecordReader::records() const { return state_->records; }

std::uint64_t RecordReader::frame() const { return state_->frame; }

std::uint64_t RecordReader::offset() const { return state_->next_frame; }

double RecordReader::progress() const {
  const double bytes = static_cast<double>(state_->file.bytes);
  if (bytes == 0) return 0;
  // Frames are long; within one, progress is that of its records.
  const double frame_bytes = static_cast<double>(state_->next_frame - state_->frame);
  const double left = state_->content.empty() ? 0
                                              : static_cast<double>(state_->rest.size()) /
                                                    static_cast<double>(state_->content.size());
  return std::clamp((static_cast<double>(state_->next_frame) - left * frame_bytes) / bytes, 0.0,
                    1.0);
}

bool RecordReader::at_end() {
  if (!state_->rest.empty()) return false;
  if (state_->next_frame >= state_->limit) return true;
  std::FILE* file = state_->file.handle.get();
  const int byte = std::fgetc(file);
  if (byte != EOF) std::ungetc(byte, file);
  return byte == EOF && !std::ferror(file);
}

// Whole frames one after the other; then what cannot be read is the torn end of one unless it could
// not be read at all, or hides a whole frame further on: that would be damage in the middle.
Expected<std::uint64_t> RecordReader::whole_frames(const std::string& path) {
  Expected<std::unique_ptr<State>> opened = State::open(path);
  if (!opened) return opened.error();
  State& state = **opened;
  Expected<bool> more = true;
  while (more && *more) more = state.read_frame();
  const std::uint64_t whole = state.frame;
  std::FILE* file = state.file.handle.get();
  if (more || std::ferror(file)) return more ? Expected<std::uint64_t>(whole) : more.error();

  if (std::fseek(file, static_cast<long>(whole), SEEK_SET) != 0) return more.error();
  std::string tail;
  char chunk[1 << 14];
  std::size_t got = 0;
  do {
    got = std::fread(chunk, 1, sizeof chunk, file);
    tail.append(chunk, got);
  } while (got > 0);
  const bool only_zeros = tail.find_first_not_of('\0') == std::string::npos;
  if (whole == 0 && !only_zeros && !state.unfinished) return more.error();  // not ours to cut
  for (std::size_t at = tail.find(kMagic, 1); at != std::string::npos;
       at = tail.find(kMagic, at + 1)) {
    state.next_frame = whole + at;
    if (std::fseek(file, static_cast<long>(state.next_frame), SEEK_SET) != 0) break;
    if (Expected<bool> read = state.read_frame(); read && *read) return more.error();
  }
  return whole;
}

bool parse_record(std::string_view bytes, google::protobuf::MessageLite& message) {
  const google::protobuf::LogSilencer silence;  // it would print what is wrong with a text
  return message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

}  // namespace scsim
