// What the small files beside a vocabulary say: tokenizer_config.json, special_tokens_map.json,
// generation_config.json, chat_template.jinja. None of them must be there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "exec/text/tokenizer_parts.h"
#include "traces/expected.h"

namespace scsim::exec {

struct FilesBeside {
  std::optional<std::string> bos, eos;  // by name
  std::optional<bool> add_bos, add_eos;
  std::vector<std::int32_t> ends;
  std::string chat_template;
};

// `path` is the vocabulary's. An Error is one of a file that is there and damaged.
Expected<FilesBeside> read_files_beside(const std::string& path);

// bos, eos, ends and the template into `parts`. REQUIRES: finish_vocabulary() was called.
void use_files_beside(const FilesBeside& files, TokenizerParts& parts);

}  // namespace scsim::exec
