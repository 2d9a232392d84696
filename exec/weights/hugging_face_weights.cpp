#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "exec/weights/hugging_face_folder.h"
#include "traces/files.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

using Json = nlohmann::json;

// The index says of each tensor in which file it is.
Expected<std::vector<SafetensorsFile>> open_shards(const std::string& folder,
                                                   const std::string& index_path) {
  const Expected<std::string> text = read_file(index_path);
  if (!text) return text.error();
  const Json index = Json::parse(*text, nullptr, false);
  const Error malformed{index_path + ": expected a JSON object with a weight_map of file names"};
  if (!index.is_object() || !index.contains("weight_map")) return malformed;
  const Json& map = index["weight_map"];
  if (!map.is_object()) return malformed;
  std::set<std::string> names;
  for (const auto& [tensor, file] : map.items()) {
    if (!file.is_string()) return malformed;
    const auto name = file.get<std::string>();
    if (name.empty() || std::filesystem::path(name).filename() != name) {
      return Error{index_path + ": tensor " + json_quote(tensor) +
                   ": expected a file beside it, found " + json_quote(name)};
    }
    names.insert(name);
  }
  std::vector<SafetensorsFile> files;
  for (const std::string& name : names) {
    Expected<SafetensorsFile> file = SafetensorsFile::open(folder + "/" + name);
    if (!file) return file.error();
    for (const auto& [tensor, holder] : map.items()) {
      if (holder == name && !file->find(tensor) && !file->others().contains(tensor)) {
        return Error{file->path() + ": expected a tensor " + json_quote(tensor) + ", which " +
                     index_path + " says is here"};
      }
    }
    files.push_back(*std::move(file));
  }
  return files;
}

}  // namespace

Expected<std::vector<SafetensorsFile>> open_weights_of_folder(const std::string& folder) {
  const std::string whole = folder + "/model.safetensors", index = whole + ".index.json";
  if (std::filesystem::exists(whole)) {
    Expected<SafetensorsFile> file = SafetensorsFile::open(whole);
    if (!file) return file.error();
    std::vector<SafetensorsFile> files;
    files.push_back(*std::move(file));
    return files;
  }
  if (std::filesystem::exists(index)) return open_shards(folder, index);
  return Error{folder +
               ": expected model.safetensors or model.safetensors.index.json, found neither"};
}

}  // namespace scsim::exec
