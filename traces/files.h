// Files, whole and by line. What we write goes to a temporary name that is renamed when all is
// there, so that nobody sees half of a file.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "traces/expected.h"

namespace scsim {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using FileHandle = std::unique_ptr<std::FILE, CloseFile>;

struct OpenedFile {
  FileHandle handle;
  std::uint64_t bytes = 0;  // 0 where the size is not known (a pipe)
};
Expected<OpenedFile> open_for_reading(const std::string& path);

Expected<std::string> read_file(const std::string& path);
Expected<void> write_file(const std::string& path, std::string_view content);

// A file being written as `path.partial`. It appears as `path` when commit() succeeds and is
// removed when it does not. A path that is a device or a pipe is written directly.
class PartialFile {
 public:
  static Expected<PartialFile> create(const std::string& path);
  PartialFile(PartialFile&&) noexcept;
  PartialFile& operator=(PartialFile&&) noexcept;
  ~PartialFile();  // without commit(): removes the partial file

  void write(std::string_view bytes);  // the first error is kept for commit()
  Expected<void> commit();             // sync and rename

 private:
  PartialFile(std::string path, std::string target, std::string partial, FileHandle file);
  void discard();

  std::string path_;     // as the caller named it
  std::string target_;   // what it names, symbolic links followed
  std::string partial_;  // empty: written directly
  FileHandle file_;
  std::string error_;
};

// Reads lines of a plain or .zst file (told by its first bytes, not its name). Memory: the longest
// line and two small buffers.
class LineReader {
 public:
  static Expected<LineReader> open(const std::string& path);
  LineReader(LineReader&&) noexcept;
  LineReader& operator=(LineReader&&) noexcept;
  ~LineReader();

  // Fills `line` without its newline ("\r\n" too); false at the end. Truncated zstd is an error.
  Expected<bool> next(std::string& line);
  std::int64_t line_number() const;  // of the line last given, from 1
  double progress() const;           // 0..1 of the file's bytes

 private:
  struct State;
  explicit LineReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace scsim
