#include "traces/files.h"

#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

namespace scsim {
namespace {

Error system_error(const std::string& path, const std::string& what) {
  return Error{path + ": " + what + ": " + std::strerror(errno)};
}

}  // namespace

Expected<OpenedFile> open_for_reading(const std::string& path) {
  FileHandle file(std::fopen(path.c_str(), "rb"));
  if (!file) return system_error(path, "cannot open");
  struct stat info {};
  if (fstat(fileno(file.get()), &info) != 0) return system_error(path, "cannot open");
  if (S_ISDIR(info.st_mode)) return Error{path + ": cannot open: it is a directory"};
  const bool sized = S_ISREG(info.st_mode) && info.st_size > 0;
  return OpenedFile{std::move(file), sized ? static_cast<std::uint64_t>(info.st_size) : 0};
}

Expected<std::string> read_file(const std::string& path) {
  Expected<OpenedFile> file = open_for_reading(path);
  if (!file) return file.error();
  std::string content;
  std::vector<char> chunk(1 << 16);
  while (true) {
    const std::size_t got = std::fread(chunk.data(), 1, chunk.size(), file->handle.get());
    content.append(chunk.data(), got);
    if (got < chunk.size()) break;
  }
  if (std::ferror(file->handle.get())) return system_error(path, "cannot read");
  return content;
}

Expected<void> write_file(const std::string& path, std::string_view content) {
  Expected<PartialFile> file = PartialFile::create(path);
  if (!file) return file.error();
  file->write(content);
  return file->commit();
}

PartialFile::PartialFile(std::string path, std::string target, std::string partial, FileHandle file)
    : path_(std::move(path)),
      target_(std::move(target)),
      partial_(std::move(partial)),
      file_(std::move(file)) {}

Expected<PartialFile> PartialFile::create(const std::string& path) {
  std::error_code ignored;
  const std::filesystem::file_status status = std::filesystem::status(path, ignored);
  std::string target = path;
  std::string partial = path + ".partial";
  if (std::filesystem::is_directory(status)) {
    return Error{path + ": cannot write: it is a directory"};
  }
  if (std::filesystem::is_regular_file(status)) {
    target = std::filesystem::canonical(path, ignored).string();
    if (ignored) target = path;
    partial = target + ".partial";
  } else if (std::filesystem::exists(status)) {
    partial.clear();
  }
  FileHandle file(std::fopen((partial.empty() ? path : partial).c_str(), "wb"));
  if (!file) return system_error(path, "cannot write");
  return PartialFile(path, std::move(target), std::move(partial), std::move(file));
}

PartialFile::PartialFile(PartialFile&&) noexcept = default;

PartialFile& PartialFile::operator=(PartialFile&& other) noexcept {
  if (this == &other) return *this;
  discard();
  path_ = std::move(other.path_);
  target_ = std::move(other.target_);
  partial_ = std::move(other.partial_);
  file_ = std::move(other.file_);
  error_ = std::move(other.error_);
  return *this;
}

PartialFile::~PartialFile() { discard(); }

void PartialFile::discard() {
  if (!file_) return;
  file_.reset();
  if (!partial_.empty()) std::remove(partial_.c_str());
}

void PartialFile::write(std::string_view bytes) {
  SCSIM_CHECK(file_ != nullptr);
  if (!error_.empty() || bytes.empty()) return;
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) {
    error_ = system_error(path_, "cannot write").message;
  }
}

Expected<void> PartialFile::commit() {
  SCSIM_CHECK(file_ != nullptr);
  if (error_.empty() && std::fflush(file_.get()) != 0) {
    error_ = system_error(path_, "cannot write").message;
  }
  if (error_.empty() && !partial_.empty()) {
    if (fsync(fileno(file_.get())) != 0) {
      error_ = system_error(path_, "cannot write").message;
    } else if (std::rename(partial_.c_str(), target_.c_str()) != 0) {
      error_ = system_error(path_, "cannot rename " + partial_).message;
    }
  }
  if (!error_.empty()) {
    discard();
    return Error{error_};
  }
  file_.reset();
  return {};
}

// Plain files are read as they are; zstd files through a streaming decoder, whose memory is bounded
// by its window. Frames may follow one another.
struct LineReader::State {
  static constexpr std::size_t kChunk = 1 << 17;

  struct FreeDecoder {
    void operator()(ZSTD_DCtx* decoder) const { ZSTD_freeDCtx(decoder); }
  };

  std::string path;
  OpenedFile file;
  std::unique_ptr<ZSTD_DCtx, FreeDecoder> decoder;  // only for zstd
  std::vector<char> raw = std::vector<char>(kChunk);
  std::size_t raw_size = 0, raw_used = 0;
  std::vector<char> text;  // decoded, only for zstd
  std::string_view rest;   // decoded bytes not given yet
  bool frame_open = false;
  bool finished = false;
  std::uint64_t offset = 0;  // of the next byte to read from the file
  std::int64_t line = 0;

  Expected<void> read_raw() {
    raw_used = 0;
    raw_size = std::fread(raw.data(), 1, raw.size(), file.handle.get());
    offset += raw_size;
    if (std::ferror(file.handle.get())) return system_error(path, "cannot read");
    return {};
  }

  // Makes `rest` non-empty, or finished.
  Expected<void> refill() {
    while (rest.empty() && !finished) {
      if (raw_used == raw_size) {
        Expected<void> read = read_raw();
        if (!read) return read;
        if (raw_size == 0) {
          finished = true;
          if (frame_open) {
            return Error{path + ": ends at offset " + std::to_string(offset) +
                         " in the middle of a zstd frame; the file was cut"};
          }
          return {};
        }
      }
      if (!decoder) {
        rest = std::string_view(raw.data() + raw_used, raw_size - raw_used);
        raw_used = raw_size;
        return {};
      }
      ZSTD_inBuffer in{raw.data(), raw_size, raw_used};
      ZSTD_outBuffer out{text.data(), text.size(), 0};
      const std::size_t hint = ZSTD_decompressStream(decoder.get(), &out, &in);
      if (ZSTD_isError(hint)) {
        finished = true;
        return Error{path + ": zstd data before offset " + std::to_string(offset) +
                     " is corrupt (" + ZSTD_getErrorName(hint) + ")"};
      }
      raw_used = in.pos;
      frame_open = hint != 0;
      rest = std::string_view(text.data(), out.pos);
    }
    return {};
  }
};

LineReader::LineReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
LineReader::LineReader(LineReader&&) noexcept = default;
LineReader& LineReader::operator=(LineReader&&) noexcept = default;
LineReader::~LineReader() = default;

Expected<LineReader> LineReader::open(const std::string& path) {
  Expected<OpenedFile> file = open_for_reading(path);
  if (!file) return file.error();
  auto state = std::make_unique<State>();
  state->path = path;
  state->file = std::move(*file);
  Expected<void> read = state->read_raw();
  if (!read) return read.error();
  constexpr std::string_view kZstdMagic = "\x28\xB5\x2F\xFD";
  if (std::string_view(state->raw.data(), state->raw_size).starts_with(kZstdMagic)) {
    state->decoder.reset(ZSTD_createDCtx());
    SCSIM_CHECK(state->decoder != nullptr);
    state->text.resize(State::kChunk);
  }
  return LineReader(std::move(state));
}

Expected<bool> LineReader::next(std::string& line) {
  line.clear();
  bool any = false;
  while (true) {
    Expected<void> filled = state_->refill();
    if (!filled) return filled.error();
    std::string_view& rest = state_->rest;
    if (rest.empty()) break;
    any = true;
    const std::size_t newline = rest.find('\n');
    line.append(rest.substr(0, newline));
    if (newline == std::string_view::npos) {
      rest = {};
      continue;
    }
    rest.remove_prefix(newline + 1);
    break;
  }
  if (!any) return false;
  if (line.ends_with('\r')) line.pop_back();
  ++state_->line;
  return true;
}

std::int64_t LineReader::line_number() const { return state_->line; }

double LineReader::progress() const {
  if (state_->file.bytes == 0) return state_->finished ? 1.0 : 0.0;
  return std::min(1.0,
                  static_cast<double>(state_->offset) / static_cast<double>(state_->file.bytes));
}

}  // namespace scsim
