#include "exec/weights/safetensors.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "traces/files.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr std::uint64_t kMostHeaderBytes = 100'000'000;  // the format's own limit

std::optional<ElementType> type_named(const std::string& name) {
  if (name == "F32") return ElementType::kF32;
  if (name == "F16") return ElementType::kF16;
  if (name == "BF16") return ElementType::kBF16;
  return std::nullopt;
}

bool is_count(const Json& value) { return value.is_number_unsigned(); }

// The shape, and the two offsets, of one entry of the header; nothing where they are not so.
struct Entry {
  std::string type;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0, end = 0;
};

std::optional<Entry> read_entry(const Json& value) {
  if (!value.is_object() || !value.contains("dtype") || !value["dtype"].is_string() ||
      !value.contains("shape") || !value["shape"].is_array() || !value.contains("data_offsets")) {
    return std::nullopt;
  }
  const Json& offsets = value["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2 || !is_count(offsets[0]) ||
      !is_count(offsets[1])) {
    return std::nullopt;
  }
  Entry entry{.type = value["dtype"], .shape = {}, .begin = offsets[0], .end = offsets[1]};
  for (const Json& dimension : value["shape"]) {
    if (!is_count(dimension)) return std::nullopt;
    entry.shape.push_back(dimension.get<std::int64_t>());
  }
  return entry;
}

Expected<void> read_tensors(const MappedFile& file, std::vector<StoredTensor>& tensors) {
  const std::span<const std::byte> bytes = file.bytes();
  const auto fail = [&file](const std::string& what) { return Error{file.path() + ": " + what}; };
  if (bytes.size() < 8)
    return fail("too short for a safetensors file (" + std::to_string(bytes.size()) + " bytes)");
  std::uint64_t header_bytes = 0;
  for (std::size_t i = 0; i < 8; ++i)
    header_bytes |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
  if (header_bytes > kMostHeaderBytes || header_bytes > bytes.size() - 8) {
    return fail("the header has " + std::to_string(header_bytes) +
                " bytes by the first eight, the file " + std::to_string(bytes.size()) + " in all");
  }
  const auto* text = reinterpret_cast<const char*>(bytes.data()) + 8;
  const Json header = Json::parse(text, text + header_bytes, nullptr, false);
  if (!header.is_object()) return fail("the header at offset 8 is not a JSON object");
  const std::span<const std::byte> data = bytes.subspan(8 + static_cast<std::size_t>(header_bytes));
  std::vector<std::pair<std::uint64_t, std::uint64_t>> places;
  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") continue;
    const std::optional<Entry> entry = read_entry(value);
    if (!entry) return fail("tensor " + name + ": expected dtype, shape and two data_offsets");
    if (entry->begin > entry->end || entry->end > data.size()) {
      return fail("tensor " + name + " lies at bytes " + std::to_string(entry->begin) + " to " +
                  std::to_string(entry->end) + " of the data, which has " +
                  std::to_string(data.size()));
    }
    places.emplace_back(entry->begin, entry->end);
    const std::optional<ElementType> type = type_named(entry->type);
    if (!type) continue;
    const std::optional<std::int64_t> elements = count_elements(entry->shape);
    const std::uint64_t size = entry->end - entry->begin;
    if (!elements || static_cast<std::uint64_t>(*elements * format_of(*type).block_bytes) != size) {
      return fail("tensor " + name + " has " + std::to_string(size) + " bytes, which is not " +
                  format_shape(entry->shape) + " of " + entry->type);
    }
    tensors.push_back({.name = name,
                       .shape = entry->shape,
                       .type = *type,
                       .bytes = data.subspan(static_cast<std::size_t>(entry->begin),
                                             static_cast<std::size_t>(size))});
  }
  std::ranges::sort(places);
  for (std::size_t i = 1; i < places.size(); ++i) {
    if (places[i].first < places[i - 1].second) {
      return fail("two tensors overlap at byte " + std::to_string(places[i].first) +
                  " of the data");
    }
  }
  return {};
}

Expected<std::vector<std::string>> shard_names(const std::string& folder) {
  const std::string index = folder + "/model.safetensors.index.json";
  if (!fs::exists(index)) {
    if (fs::exists(folder + "/model.safetensors"))
      return std::vector<std::string>{"model.safetensors"};
    return Error{folder + ": neither model.safetensors nor model.safetensors.index.json is there"};
  }
  const Expected<std::string> text = read_file(index);
  if (!text) return text.error();
  const Json json = Json::parse(*text, nullptr, false);
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object()) {
    return Error{index + ": expected a JSON object with a weight_map"};
  }
  std::set<std::string> names;
  for (const auto& [tensor, file] : json["weight_map"].items()) {
    if (!file.is_string() || fs::path(file.get<std::string>()).has_parent_path()) {
      return Error{index + ": weight_map: " + tensor + ": expected the name of a file beside it"};
    }
    names.insert(file.get<std::string>());
  }
  return std::vector<std::string>(names.begin(), names.end());
}

}  // namespace

Expected<Safetensors> open_safetensors(const std::string& folder) {
  const Expected<std::vector<std::string>> names = shard_names(folder);
  if (!names) return names.error();
  Safetensors all;
  for (const std::string& name : *names) {
    Expected<MappedFile> file = MappedFile::open((fs::path(folder) / name).string());
    if (!file) return file.error();
    if (const auto read = read_tensors(*file, all.tensors); !read) return read.error();
    all.files.push_back(*std::move(file));
  }
  return all;
}

}  // namespace scsim::exec
