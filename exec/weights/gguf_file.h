// A GGUF file, version 2 or 3: named metadata and named tensors, memory-mapped. What the names mean
// is for others to say.
//
//   Expected<GgufFile> file = GgufFile::open("model.gguf");
//   file->text("general.architecture");                      // std::optional: not there, or no
//   text file->integer("llama.block_count"); for (std::string_view token :
//   file->texts("tokenizer.ggml.tokens")) ...
//
// Opening checks every offset and length against the file and that no two tensors overlap; errors
// name the offset. Big-endian files and version 1 are refused.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "exec/weights/mapped_file.h"
#include "exec/weights/stored_tensor.h"
#include "traces/expected.h"

namespace scsim::exec {

class GgufFile {
 public:
  static Expected<GgufFile> open(const std::string& path);

  const std::string& path() const { return file_.path(); }
  std::uint32_t version() const { return version_; }
  const std::vector<StoredTensor>& tensors() const { return tensors_; }  // in the file's order

  // A key's value, or nothing where it is not there or of another kind. Whole numbers of every
  // width and sign are integers; an integer is a number, too.
  bool has(std::string_view key) const { return values_.contains(key); }
  std::optional<std::int64_t> integer(std::string_view key) const;
  std::optional<double> number(std::string_view key) const;
  std::optional<bool> flag(std::string_view key) const;
  std::optional<std::string_view> text(std::string_view key) const;
  // Arrays; empty where the key is not there or of another kind. Texts point into the file.
  const std::vector<std::string_view>& texts(std::string_view key) const;
  const std::vector<std::int64_t>& integers(std::string_view key) const;
  const std::vector<double>& numbers(std::string_view key) const;

 private:
  friend class GgufParser;
  using Value =
      std::variant<std::int64_t, double, bool, std::string_view, std::vector<std::string_view>,
                   std::vector<std::int64_t>, std::vector<double>>;
  explicit GgufFile(MappedFile file) : file_(std::move(file)) {}
  template <class T>
  const T* find(std::string_view key) const;

  MappedFile file_;
  std::uint32_t version_ = 0;
  std::map<std::string_view, Value> values_;
  std::vector<StoredTensor> tensors_;
};

}  // namespace scsim::exec
