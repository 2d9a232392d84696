// GGUF files made in memory, right or wrong.
//
//   GgufBytes file;
//   file.add_text("general.architecture", "llama");
//   file.add_tensor({"x", {2, 3}, 0, values});       // type 0: F32
//   overwrite(path, file.bytes());
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace scsim::test {

template <class T>
std::string raw(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}
std::string raw_text(const std::string& text);  // with its length in front

class GgufBytes {
 public:
  struct Tensor {
    std::string name;
    std::vector<std::uint64_t> shape;  // outermost first
    std::uint32_t type = 0;
    std::string data;
    std::int64_t offset = -1;  // in the data; -1: behind the one before, aligned
  };

  std::uint32_t version = 3;
  std::uint64_t alignment = 32;

  void add(const std::string& key, std::uint32_t kind, const std::string& value);
  void add_text(const std::string& key, const std::string& text);
  void add_u32(const std::string& key, std::uint32_t value);
  void add_tensor(const Tensor& tensor);
  std::string bytes() const;

 private:
  std::string values_, descriptions_, data_;
  std::uint64_t num_values_ = 0, num_tensors_ = 0;
};

}  // namespace scsim::test
