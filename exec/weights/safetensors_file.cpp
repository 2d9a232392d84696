#include "exec/weights/safetensors_file.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include "traces/text.h"

namespace scsim::exec {
namespace {

using Json = nlohmann::json;

// The format's own bound.
constexpr std::uint64_t kMostHeaderBytes = 100'000'000;

struct Type {
  std::int64_t bits;
  std::optional<ElementType> element_type;  // none: not read
};

const std::map<std::string, Type>& types() {
  static const std::map<std::string, Type> table = {{"F32", {32, ElementType::kF32}},
                                                    {"F16", {16, ElementType::kF16}},
                                                    {"BF16", {16, ElementType::kBF16}},
                                                    {"F64", {64, {}}},
                                                    {"I64", {64, {}}},
                                                    {"U64", {64, {}}},
                                                    {"I32", {32, {}}},
                                                    {"U32", {32, {}}},
                                                    {"I16", {16, {}}},
                                                    {"U16", {16, {}}},
                                                    {"I8", {8, {}}},
                                                    {"U8", {8, {}}},
                                                    {"BOOL", {8, {}}},
                                                    {"F8_E4M3", {8, {}}},
                                                    {"F8_E5M2", {8, {}}},
                                                    {"F8_E8M0", {8, {}}},
                                                    {"F4", {4, {}}}};
  return table;
}

struct Extent {
  std::uint64_t begin, end;
  std::string name;
};

}  // namespace

Expected<SafetensorsFile> SafetensorsFile::open(const std::string& path) {
  Expected<MappedFile> mapped = MappedFile::open(path);
  if (!mapped) return mapped.error();
  SafetensorsFile file(*std::move(mapped));
  try {
    const Expected<void> parsed = file.parse();
    if (!parsed) return parsed.error();
  } catch (const Json::exception&) {
    return Error{path +
                 ": offset 8: expected a JSON table of tensors, each with dtype, shape and "
                 "data_offsets; the table is damaged"};
  }
  return file;
}

Expected<void> SafetensorsFile::parse() {
  const auto bytes = file_.bytes();
  const auto fail = [&](std::uint64_t offset, const std::string& what) {
    return Error{path() + ": offset " + std::to_string(offset) + ": " + what};
  };
  const std::string ends = "the file ends at offset " + std::to_string(bytes.size());
  std::uint64_t header = 0;
  if (bytes.size() < sizeof header) {
    return fail(0, "expected the length of the table in 8 bytes; " + ends);
  }
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header > kMostHeaderBytes || header > bytes.size() - sizeof header) {
    return fail(0,
                "expected a safetensors file, whose first 8 bytes say how long its table is, "
                "found " +
                    std::to_string(header) + "; " + ends);
  }
  const char* text = reinterpret_cast<const char*>(bytes.data()) + sizeof header;
  const Json table = Json::parse(text, text + header);
  const auto data = bytes.subspan(sizeof header + header);
  std::vector<Extent> extents;
  for (const auto& [name, entry] : table.items()) {
    if (name == "__metadata__") continue;
    const std::string tensor = "tensor " + json_quote(name.substr(0, 200));
    const auto type_text = entry.at("dtype").get<std::string>();
    const auto type = types().find(type_text);
    if (type == types().end()) {
      return fail(8, tensor + " is of the unknown type " + json_quote(type_text));
    }
    const auto shape = entry.at("shape").get<std::vector<std::int64_t>>();
    const auto offsets = entry.at("data_offsets").get<std::vector<std::uint64_t>>();
    const std::optional<std::int64_t> elements = count_elements(shape);
    if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > data.size()) {
      return fail(8, tensor + " must lie within the " + std::to_string(data.size()) +
                         " bytes behind the table; " + ends);
    }
    const std::uint64_t size = offsets[1] - offsets[0];
    if (!elements || static_cast<std::uint64_t>(*elements) > size * 8 ||
        static_cast<std::uint64_t>(*elements * type->second.bits) != size * 8) {
      return fail(8, tensor + " of shape " + format_shape(shape) + " and type " + type_text +
                         " does not have " + std::to_string(size) + " bytes");
    }
    extents.push_back({offsets[0], offsets[1], tensor});
    if (type->second.element_type) {
      tensors_.push_back({name, shape, *type->second.element_type, data.subspan(offsets[0], size)});
    } else {
      others_[name] = type_text;
    }
  }
  std::ranges::sort(extents, {}, [](const Extent& e) { return std::pair(e.begin, e.end); });
  std::uint64_t filled = 0;
  for (const Extent& extent : extents) {
    if (extent.begin != filled) {
      return fail(sizeof header + header + std::min(filled, extent.begin),
                  extent.name + (extent.begin < filled ? " overlaps the one before it"
                                                       : " begins behind a hole"));
    }
    filled = extent.end;
  }
  if (filled != data.size()) {
    return fail(sizeof header + header + filled,
                "expected the file's end behind the last tensor; " + ends);
  }
  std::ranges::sort(tensors_, {}, &StoredTensor::name);
  return {};
}

const StoredTensor* SafetensorsFile::find(std::string_view name) const {
  const auto at = std::ranges::lower_bound(tensors_, name, {}, &StoredTensor::name);
  return at != tensors_.end() && at->name == name ? &*at : nullptr;
}

}  // namespace scsim::exec
