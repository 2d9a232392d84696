// A whole file in memory without reading it: pages come in when they are looked at. Read-only.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "traces/expected.h"

namespace scsim::exec {

class MappedFile {
 public:
  static Expected<MappedFile> open(const std::string& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  const std::string& path() const { return path_; }
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  MappedFile(std::string path, std::span<const std::byte> bytes);
  std::string path_;
  std::span<const std::byte> bytes_;  // empty: nothing is mapped
};

}  // namespace scsim::exec
