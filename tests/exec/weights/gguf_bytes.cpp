#include "tests/exec/weights/gguf_bytes.h"

namespace scsim::test {

std::string raw_text(const std::string& text) {
  return raw(static_cast<std::uint64_t>(text.size())) + text;
}

void GgufBytes::add(const std::string& key, std::uint32_t kind, const std::string& value) {
  values_ += raw_text(key) + raw(kind) + value;
  ++num_values_;
}

void GgufBytes::add_text(const std::string& key, const std::string& text) {
  add(key, 8, raw_text(text));
}

void GgufBytes::add_u32(const std::string& key, std::uint32_t value) { add(key, 4, raw(value)); }

void GgufBytes::add_tensor(const Tensor& tensor) {
  data_.resize((data_.size() + alignment - 1) / alignment * alignment);
  descriptions_ += raw_text(tensor.name) + raw(static_cast<std::uint32_t>(tensor.shape.size()));
  for (std::size_t i = tensor.shape.size(); i-- > 0;) descriptions_ += raw(tensor.shape[i]);
  const std::uint64_t offset =
      tensor.offset < 0 ? data_.size() : static_cast<std::uint64_t>(tensor.offset);
  descriptions_ += raw(tensor.type) + raw(offset);
  data_ += tensor.data;
  ++num_tensors_;
}

std::string GgufBytes::bytes() const {
  std::string all = "GGUF" + raw(version) + raw(num_tensors_) + raw(num_values_);
  all += values_ + descriptions_;
  all.resize((all.size() + alignment - 1) / alignment * alignment);
  return all + data_;
}

}  // namespace scsim::test
