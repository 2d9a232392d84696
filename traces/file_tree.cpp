#include "traces/file_tree.h"

#include <archive.h>
#include <archive_entry.h>

#include <filesystem>
#include <memory>
#include <vector>

#include "traces/files.h"

namespace scsim {
namespace {

using Files = std::map<std::string, std::string>;
using Wanted = std::function<bool(std::string_view)>;

Expected<Files> read_folder(const std::string& path, const Wanted& wanted) {
  Files files;
  std::error_code code;
  std::filesystem::recursive_directory_iterator entry(path, code), end;
  for (; !code && entry != end; entry.increment(code)) {
    if (!entry->is_regular_file()) continue;
    const std::string name = entry->path().lexically_relative(path).generic_string();
    if (!wanted(name)) continue;
    Expected<std::string> text = read_file(entry->path().string());
    if (!text) return text.error();
    files.emplace(name, std::move(*text));
  }
  if (code) return Error{path + ": " + code.message()};
  return files;
}

struct CloseArchive {
  void operator()(archive* reader) const { archive_read_free(reader); }
};

Expected<Files> read_archive(const std::string& path, const Wanted& wanted) {
  constexpr std::size_t kChunk = 1 << 16;
  std::unique_ptr<archive, CloseArchive> reader(archive_read_new());
  archive_read_support_filter_all(reader.get());
  archive_read_support_format_tar(reader.get());
  archive_read_support_format_zip(reader.get());
  const auto failed = [&] {
    const char* why = archive_error_string(reader.get());
    return Error{path + ": expected a folder or an archive of one: " + (why ? why : "cannot read")};
  };
  if (archive_read_open_filename(reader.get(), path.c_str(), kChunk) != ARCHIVE_OK) return failed();

  Files files;
  std::vector<char> chunk(kChunk);
  while (true) {
    archive_entry* entry = nullptr;
    const int got = archive_read_next_header(reader.get(), &entry);
    if (got == ARCHIVE_EOF) return files;
    if (got != ARCHIVE_OK) return failed();
    const char* name = archive_entry_pathname(entry);
    if (!name || archive_entry_filetype(entry) != AE_IFREG || !wanted(name)) continue;
    std::string& text = files[name];
    while (true) {
      const la_ssize_t bytes = archive_read_data(reader.get(), chunk.data(), chunk.size());
      if (bytes < 0) return failed();
      if (bytes == 0) break;
      text.append(chunk.data(), static_cast<std::size_t>(bytes));
    }
  }
}

}  // namespace

Expected<Files> read_file_tree(const std::string& path, const Wanted& wanted) {
  return std::filesystem::is_directory(path) ? read_folder(path, wanted)
                                             : read_archive(path, wanted);
}

}  // namespace scsim
