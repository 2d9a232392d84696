#include "exec/weights/mapped_file.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "traces/files.h"

namespace scsim::exec {

MappedFile::MappedFile(std::string path, std::span<const std::byte> bytes)
    : path_(std::move(path)), bytes_(bytes) {}

Expected<MappedFile> MappedFile::open(const std::string& path) {
  const Expected<OpenedFile> file = open_for_reading(path);
  if (!file) return file.error();
  if (file->bytes == 0) return Error{path + ": expected a file of weights, found it empty"};
  void* begin = mmap(nullptr, file->bytes, PROT_READ, MAP_PRIVATE, fileno(file->handle.get()), 0);
  if (begin == MAP_FAILED) return Error{path + ": cannot map: " + std::strerror(errno)};
  return MappedFile(path, {static_cast<const std::byte*>(begin), file->bytes});
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace scsim::exec
