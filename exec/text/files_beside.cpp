#include "exec/text/files_beside.h"

#include <simdjson.h>

#include <algorithm>
#include <filesystem>

#include "exec/text/json.h"
#include "traces/files.h"

namespace scsim::exec {
namespace {

std::string beside(const std::string& path, const char* name) {
  return (std::filesystem::path(path).parent_path() / name).string();
}

// "</s>", or an object whose content is that.
std::optional<std::string> token_name(const Json& object, std::string_view key) {
  const std::optional<Json> token = find(object, key);
  if (!token) return std::nullopt;
  if (const auto text = as_string(*token)) return std::string(*text);
  const std::optional<Json> content = find(*token, "content");
  if (!content) return std::nullopt;
  const auto text = as_string(*content);
  return text ? std::optional(std::string(*text)) : std::nullopt;
}

// One template, or several by name, of which "default" is for conversations.
std::string template_in(const Json& object) {
  const std::optional<Json> value = find(object, "chat_template");
  if (!value) return {};
  if (const auto text = as_string(*value)) return std::string(*text);
  for (const Json& entry : items(*value)) {
    if (string_in(entry, "name").value_or("") == "default") {
      return std::string(string_in(entry, "template").value_or(""));
    }
  }
  return {};
}

}  // namespace

Expected<FilesBeside> read_files_beside(const std::string& path) {
  FilesBeside files;
  const auto read = [&](const char* name, auto use) -> Expected<void> {
    const std::string file = beside(path, name);
    if (!std::filesystem::exists(file)) return {};
    JsonFile json;
    Expected<Json> root = json.read(file);
    if (!root) return root.error();
    use(*root);
    return {};
  };
  Expected<void> config = read("tokenizer_config.json", [&](const Json& root) {
    files.bos = token_name(root, "bos_token");
    files.eos = token_name(root, "eos_token");
    files.add_bos = bool_in(root, "add_bos_token");
    files.add_eos = bool_in(root, "add_eos_token");
    files.chat_template = template_in(root);
  });
  if (!config) return config.error();
  Expected<void> map = read("special_tokens_map.json", [&](const Json& root) {
    if (!files.bos) files.bos = token_name(root, "bos_token");
    if (!files.eos) files.eos = token_name(root, "eos_token");
  });
  if (!map) return map.error();
  Expected<void> generation = read("generation_config.json", [&](const Json& root) {
    const std::optional<Json> eos = find(root, "eos_token_id");
    if (!eos) return;
    const auto add = [&](const Json& id) {
      if (const auto number = as_integer(id))
        files.ends.push_back(static_cast<std::int32_t>(*number));
    };
    add(*eos);
    for (const Json& id : items(*eos)) add(id);
  });
  if (!generation) return generation.error();
  const std::string jinja = beside(path, "chat_template.jinja");
  if (std::filesystem::exists(jinja)) {
    Expected<std::string> text = read_file(jinja);
    if (!text) return text.error();
    files.chat_template = std::move(*text);
  }
  return files;
}

void use_files_beside(const FilesBeside& files, TokenizerParts& parts) {
  const auto id_of = [&](const std::optional<std::string>& name) -> std::optional<std::int32_t> {
    if (!name) return std::nullopt;
    const auto found = parts.ids.find(*name);
    return found == parts.ids.end() ? std::nullopt : std::optional(found->second);
  };
  if (const auto bos = id_of(files.bos)) parts.bos = bos;
  if (const auto eos = id_of(files.eos)) parts.eos = eos;
  const auto size = static_cast<std::int32_t>(parts.names.size());
  for (const std::int32_t id : files.ends) {
    if (id >= 0 && id < size) parts.ends.push_back(id);
  }
  if (parts.eos) parts.ends.push_back(*parts.eos);
  std::ranges::sort(parts.ends);
  parts.ends.erase(std::unique(parts.ends.begin(), parts.ends.end()), parts.ends.end());
  if (!files.chat_template.empty()) parts.chat_template = files.chat_template;
}

}  // namespace scsim::exec
