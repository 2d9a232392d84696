// The file is a header, the metadata, the tensors' descriptions and their data, one after another.
// GgufParser walks it once with a cursor that never passes the end: after the first mistake every
// read gives zero and the walk ends, so that only the loops look at the error.
#include "exec/weights/gguf_file.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "traces/text.h"

namespace scsim::exec {
namespace {

enum class Kind : std::uint32_t {  // the numbers are the format's
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kText = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12
};

std::optional<ElementType> element_type(std::uint32_t number) {
  switch (number) {  // ggml's numbers
    case 0:
      return ElementType::kF32;
    case 1:
      return ElementType::kF16;
    case 2:
      return ElementType::kQ4_0;
    case 3:
      return ElementType::kQ4_1;
    case 6:
      return ElementType::kQ5_0;
    case 7:
      return ElementType::kQ5_1;
    case 8:
      return ElementType::kQ8_0;
    case 12:
      return ElementType::kQ4_K;
    case 13:
      return ElementType::kQ5_K;
    case 14:
      return ElementType::kQ6_K;
    case 30:
      return ElementType::kBF16;
    default:
      return std::nullopt;
  }
}

// What people call the types that are not read, for the message.
std::string type_name(std::uint32_t number) {
  static const std::map<std::uint32_t, std::string> names = {
      {9, "Q8_1"},    {10, "Q2_K"},    {11, "Q3_K"},  {15, "Q8_K"},   {16, "IQ2_XXS"},
      {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"}, {20, "IQ4_NL"}, {21, "IQ3_S"},
      {22, "IQ2_S"},  {23, "IQ4_XS"},  {24, "I8"},    {25, "I16"},    {26, "I32"},
      {27, "I64"},    {28, "F64"},     {29, "IQ1_M"}, {34, "TQ1_0"},  {35, "TQ2_0"},
      {39, "MXFP4"},  {40, "NVFP4"}};
  const auto found = names.find(number);
  return found == names.end() ? "number " + std::to_string(number) : found->second;
}

constexpr std::uint64_t kMostDimensions = 4, kLeastValueBytes = 13, kLeastTensorBytes = 24;

}  // namespace

class GgufParser {
 public:
  explicit GgufParser(GgufFile& file) : file_(file), bytes_(file.file_.bytes()) {}

  Expected<void> parse() {
    read_header();
    for (std::uint64_t i = 0; i < num_values_ && !error_; ++i) read_value_of_key();
    for (std::uint64_t i = 0; i < num_tensors_ && !error_; ++i) read_tensor();
    if (!error_) place_tensors();
    if (error_) return *error_;
    return {};
  }

 private:
  struct Description {
    StoredTensor tensor;
    std::uint64_t offset = 0;          // in the data
    std::uint64_t said_at = 0;         // offset of the description, for messages
    std::uint64_t begin = 0, end = 0;  // in the file
  };

  void fail(std::uint64_t offset, const std::string& what) {
    if (!error_) error_ = Error{file_.path() + ": offset " + std::to_string(offset) + ": " + what};
  }

  // `count` bytes from the cursor on, or none after an error.
  std::span<const std::byte> take(std::uint64_t count, const char* what) {
    if (error_) return {};
    if (count > bytes_.size() - at_) {
      fail(at_, "expected " + std::to_string(count) + " bytes for " + what +
                    ", found the file's end at offset " + std::to_string(bytes_.size()));
      return {};
    }
    const auto taken = bytes_.subspan(at_, count);
    at_ += count;
    return taken;
  }
  template <class T>
  T read(const char* what) {
    T value{};
    const auto bytes = take(sizeof(T), what);
    if (!bytes.empty()) std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }
  std::string_view read_text(const char* what) {
    const auto length = read<std::uint64_t>(what);
    const auto bytes = take(length, what);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  // A count of things that take `least` bytes each, so that a wrong one costs no memory.
  std::uint64_t read_count(std::uint64_t least, const char* what) {
    const std::uint64_t begin = at_;
    const auto count = read<std::uint64_t>(what);
    if (!error_ && count > (bytes_.size() - at_) / least) {
      fail(begin, std::string(what) + " says " + std::to_string(count) +
                      ", more than the rest of the file can hold (it ends at offset " +
                      std::to_string(bytes_.size()) + ")");
    }
    return error_ ? 0 : count;
  }

  void read_header() {
    const auto magic = take(4, "the letters GGUF");
    if (!magic.empty() && std::memcmp(magic.data(), "GGUF", 4) != 0) {
      return fail(0, "expected the letters GGUF; this is no GGUF file");
    }
    file_.version_ = read<std::uint32_t>("the version");
    if (error_) return;
    if (file_.version_ != 2 && file_.version_ != 3) {
      const bool swapped = (file_.version_ & 0xffff) == 0;
      return fail(4, swapped ? "this is a big-endian file; only little-endian ones are read"
                             : "expected version 2 or 3, found " + std::to_string(file_.version_));
    }
    // The counts are compared with the size of the file where each part begins.
    num_tensors_ = read_count(kLeastTensorBytes, "the number of tensors");
    num_values_ = read_count(kLeastValueBytes, "the number of metadata values");
  }

  static std::uint64_t width(Kind kind) {
    switch (kind) {
      case Kind::kU8:
      case Kind::kI8:
      case Kind::kBool:
        return 1;
      case Kind::kU16:
      case Kind::kI16:
        return 2;
      case Kind::kU32:
      case Kind::kI32:
        return 4;
      default:
        return 8;
    }
  }

  std::int64_t read_integer(Kind kind) {
    constexpr const char* kWhat = "a whole number";
    switch (kind) {
      case Kind::kU8:
        return read<std::uint8_t>(kWhat);
      case Kind::kI8:
        return read<std::int8_t>(kWhat);
      case Kind::kU16:
        return read<std::uint16_t>(kWhat);
      case Kind::kI16:
        return read<std::int16_t>(kWhat);
      case Kind::kU32:
        return read<std::uint32_t>(kWhat);
      case Kind::kI32:
        return read<std::int32_t>(kWhat);
      default:
        return read<std::int64_t>(kWhat);  // beyond 2^63: negative, which no key means
    }
  }

  void read_value_of_key() {
    const std::uint64_t begin = at_;
    const std::string_view key = read_text("a metadata key");
    const auto kind = static_cast<Kind>(read<std::uint32_t>("the kind of a metadata value"));
    GgufFile::Value value;
    switch (kind) {
      case Kind::kF32:
        value = static_cast<double>(read<float>("a number"));
        break;
      case Kind::kF64:
        value = read<double>("a number");
        break;
      case Kind::kBool:
        value = read<std::uint8_t>("true or false") != 0;
        break;
      case Kind::kText:
        value = read_text("a text");
        break;
      case Kind::kArray:
        value = read_array(key);
        break;
      default:
        if (kind > Kind::kF64) {
          return fail(begin, "metadata " + quoted(key) + " is of the unknown kind " +
                                 std::to_string(static_cast<std::uint32_t>(kind)));
        }
        value = read_integer(kind);
    }
    if (!error_ && !file_.values_.emplace(key, std::move(value)).second) {
      fail(begin, "metadata " + quoted(key) + " is there twice");
    }
  }

  GgufFile::Value read_array(std::string_view key) {
    const std::uint64_t begin = at_;
    const auto kind = static_cast<Kind>(read<std::uint32_t>("the kind of an array"));
    if (kind == Kind::kText) {
      std::vector<std::string_view> texts(read_count(8, "the length of an array"));
      for (std::size_t i = 0; i < texts.size() && !error_; ++i) texts[i] = read_text("a text");
      return texts;
    }
    if (kind == Kind::kF32 || kind == Kind::kF64) {
      const bool wide = kind == Kind::kF64;
      std::vector<double> numbers(read_count(wide ? 8 : 4, "the length of an array"));
      for (double& number : numbers) {
        number = wide ? read<double>("a number") : static_cast<double>(read<float>("a number"));
      }
      return numbers;
    }
    if (kind > Kind::kF64 || kind == Kind::kArray) {
      fail(begin, "metadata " + quoted(key) + " is an array of the unsupported kind " +
                      std::to_string(static_cast<std::uint32_t>(kind)));
      return false;
    }
    std::vector<std::int64_t> integers(read_count(width(kind), "the length of an array"));
    for (std::size_t i = 0; i < integers.size() && !error_; ++i) {
      integers[i] = read_integer(kind == Kind::kBool ? Kind::kU8 : kind);
    }
    return integers;
  }

  void read_tensor() {
    Description description;
    description.said_at = at_;
    StoredTensor& tensor = description.tensor;
    tensor.name = read_text("a tensor's name");
    const auto dimensions = read<std::uint32_t>("a tensor's number of dimensions");
    if (dimensions > kMostDimensions) {
      return fail(description.said_at, "tensor " + quoted(tensor.name) + " has " +
                                           std::to_string(dimensions) +
                                           " dimensions; expected 4 at most");
    }
    tensor.shape.resize(dimensions);  // the file has the innermost first
    for (std::uint32_t i = 0; i < dimensions; ++i) {
      tensor.shape[dimensions - 1 - i] = read<std::int64_t>("a tensor's dimension");
    }
    const auto type = read<std::uint32_t>("a tensor's type");
    description.offset = read<std::uint64_t>("a tensor's offset");
    if (error_) return;
    const std::optional<ElementType> known = element_type(type);
    if (!known) {
      return fail(description.said_at,
                  "tensor " + quoted(tensor.name) + " is of type " + type_name(type) +
                      ", which is not read; known: F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, "
                      "Q4_K, Q5_K, Q6_K");
    }
    tensor.type = *known;
    if (!names_.insert(tensor.name).second) {
      return fail(description.said_at, "tensor " + quoted(tensor.name) + " is there twice");
    }
    descriptions_.push_back(std::move(description));
  }

  void place_tensors() {
    std::int64_t alignment = 32;
    if (file_.has("general.alignment")) {
      alignment = file_.integer("general.alignment").value_or(0);
      if (alignment <= 0 || alignment > (1 << 20) || (alignment & (alignment - 1)) != 0) {
        return fail(at_, "general.alignment must be a power of two up to 1 MiB");
      }
    }
    const auto step = static_cast<std::uint64_t>(alignment);
    const std::uint64_t data = (at_ + step - 1) / step * step;
    for (Description& description : descriptions_) place(description, data, step);
    std::vector<const Description*> in_order;
    for (const Description& description : descriptions_) in_order.push_back(&description);
    std::ranges::sort(in_order, {}, [](const Description* d) { return d->begin; });
    for (std::size_t i = 1; i < in_order.size(); ++i) {
      const Description &before = *in_order[i - 1], &after = *in_order[i];
      if (after.begin < before.end && after.begin < after.end) {
        fail(after.said_at, "tensors " + quoted(before.tensor.name) + " and " +
                                quoted(after.tensor.name) + " overlap at offset " +
                                std::to_string(after.begin));
      }
    }
    if (error_) return;
    for (Description& description : descriptions_) {
      description.tensor.bytes =
          bytes_.subspan(description.begin, description.end - description.begin);
      file_.tensors_.push_back(std::move(description.tensor));
    }
  }

  void place(Description& description, std::uint64_t data, std::uint64_t alignment) {
    const StoredTensor& tensor = description.tensor;
    const std::string name = "tensor " + quoted(tensor.name);
    const ElementFormat& format = format_of(tensor.type);
    const std::optional<std::int64_t> elements = count_elements(tensor.shape);
    const std::int64_t row = tensor.shape.empty() ? 1 : tensor.shape.back();
    if (!elements || row % format.block_elements != 0) {
      return fail(description.said_at, name + " of shape " + format_shape(tensor.shape) +
                                           " cannot be stored as " + format.name);
    }
    if (description.offset % alignment != 0) {
      return fail(description.said_at, name + " begins at " + std::to_string(description.offset) +
                                           " of the data, which is no multiple of the alignment " +
                                           std::to_string(alignment));
    }
    const auto size =
        static_cast<std::uint64_t>(*elements / format.block_elements * format.block_bytes);
    if (data > bytes_.size() || description.offset > bytes_.size() - data ||
        size > bytes_.size() - data - description.offset) {
      return fail(description.said_at, name + " has " + std::to_string(size) + " bytes at " +
                                           std::to_string(description.offset) +
                                           " of the data, which begins at offset " +
                                           std::to_string(data) + "; the file ends at offset " +
                                           std::to_string(bytes_.size()));
    }
    description.begin = data + description.offset;
    description.end = description.begin + size;
  }

  static std::string quoted(std::string_view name) { return json_quote(name.substr(0, 200)); }

  GgufFile& file_;
  std::span<const std::byte> bytes_;
  std::uint64_t at_ = 0;
  std::uint64_t num_tensors_ = 0, num_values_ = 0;
  std::set<std::string> names_;
  std::vector<Description> descriptions_;
  std::optional<Error> error_;
};

Expected<GgufFile> GgufFile::open(const std::string& path) {
  Expected<MappedFile> mapped = MappedFile::open(path);
  if (!mapped) return mapped.error();
  GgufFile file(*std::move(mapped));
  const Expected<void> parsed = GgufParser(file).parse();
  if (!parsed) return parsed.error();
  return file;
}

template <class T>
const T* GgufFile::find(std::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : std::get_if<T>(&found->second);
}

std::optional<std::int64_t> GgufFile::integer(std::string_view key) const {
  const auto* value = find<std::int64_t>(key);
  return value ? std::optional(*value) : std::nullopt;
}

std::optional<double> GgufFile::number(std::string_view key) const {
  if (const auto* value = find<double>(key)) return *value;
  const auto* value = find<std::int64_t>(key);
  return value ? std::optional(static_cast<double>(*value)) : std::nullopt;
}

std::optional<bool> GgufFile::flag(std::string_view key) const {
  const auto* value = find<bool>(key);
  return value ? std::optional(*value) : std::nullopt;
}

std::optional<std::string_view> GgufFile::text(std::string_view key) const {
  const auto* value = find<std::string_view>(key);
  return value ? std::optional(*value) : std::nullopt;
}

const std::vector<std::string_view>& GgufFile::texts(std::string_view key) const {
  static const std::vector<std::string_view> none;
  const auto* value = find<std::vector<std::string_view>>(key);
  return value ? *value : none;
}

const std::vector<std::int64_t>& GgufFile::integers(std::string_view key) const {
  static const std::vector<std::int64_t> none;
  const auto* value = find<std::vector<std::int64_t>>(key);
  return value ? *value : none;
}

const std::vector<double>& GgufFile::numbers(std::string_view key) const {
  static const std::vector<double> none;
  const auto* value = find<std::vector<double>>(key);
  return value ? *value : none;
}

}  // namespace scsim::exec
