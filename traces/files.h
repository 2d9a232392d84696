// Whole small files, written to a temporary name and renamed, so that nobody sees half of one.
#pragma once

#include <string>
#include <string_view>

#include "traces/expected.h"

namespace scsim {

Expected<std::string> read_file(const std::string& path);
Expected<void> write_file(const std::string& path, std::string_view content);

// Reads lines of a plain or .zst file (told by its first bytes, not its name) with constant memory.
class LineReader {
 public:
  static Expected<LineReader> open(const std::string& path);
  LineReader(LineReader&&) noexcept;
  LineReader& operator=(LineReader&&) noexcept;
  ~LineReader();
  // Fills `line` without its newline ("\r\n" too); false at the end. Truncated zstd is an error.
  Expected<bool> next(std::string& line);
  std::int64_t line_number() const;   // of the line last given, from 1
  double progress() const;            // 0..1 of the file's bytes

 private:
  struct State;
  explicit LineReader(struct State* state);
  struct State* state_;
};

}  // namespace scsim
