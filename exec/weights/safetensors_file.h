// A safetensors file: a JSON table of names, types, shapes and offsets, then the numbers.
//
//   Expected<SafetensorsFile> file = SafetensorsFile::open("model.safetensors");
//   const StoredTensor* norm = file->find("model.norm.weight");
//
// Opening checks that the tensors fill the file without holes or overlaps. F32, F16 and BF16 are
// read; tensors of other types are kept by name only, for messages.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "exec/weights/mapped_file.h"
#include "exec/weights/stored_tensor.h"
#include "traces/expected.h"

namespace scsim::exec {

class SafetensorsFile {
 public:
  static Expected<SafetensorsFile> open(const std::string& path);

  const std::string& path() const { return file_.path(); }
  const std::vector<StoredTensor>& tensors() const { return tensors_; }         // by name
  const std::map<std::string, std::string>& others() const { return others_; }  // name to type
  const StoredTensor* find(std::string_view name) const;

 private:
  explicit SafetensorsFile(MappedFile file) : file_(std::move(file)) {}
  Expected<void> parse();

  MappedFile file_;
  std::vector<StoredTensor> tensors_;
  std::map<std::string, std::string> others_;
};

}  // namespace scsim::exec
