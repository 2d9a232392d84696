#include "exec/session/read_gguf_vocabulary.h"

#include "exec/weights/gguf_file.h"

namespace scsim::exec {

Expected<GgufVocabulary> read_gguf_vocabulary(const std::string& path) {
  const Expected<GgufFile> file = GgufFile::open(path);
  if (!file) return file.error();
  const std::string prefix = "tokenizer.ggml.";
  const auto id = [&](const char* name) {
    return static_cast<std::int32_t>(file->integer(prefix + name).value_or(-1));
  };
  GgufVocabulary vocabulary;
  vocabulary.source = path;
  vocabulary.model = file->text(prefix + "model").value_or("");
  vocabulary.pre = file->text(prefix + "pre").value_or("");
  for (const std::string_view token : file->texts(prefix + "tokens"))
    vocabulary.tokens.emplace_back(token);
  for (const double score : file->numbers(prefix + "scores"))
    vocabulary.scores.push_back(static_cast<float>(score));
  for (const std::int64_t type : file->integers(prefix + "token_type")) {
    vocabulary.types.push_back(static_cast<std::int32_t>(type));
  }
  for (const std::string_view merge : file->texts(prefix + "merges"))
    vocabulary.merges.emplace_back(merge);
  vocabulary.bos = id("bos_token_id");
  vocabulary.eos = id("eos_token_id");
  vocabulary.eot = id("eot_token_id");
  vocabulary.unknown = id("unknown_token_id");
  vocabulary.add_bos = file->flag(prefix + "add_bos_token");
  vocabulary.add_eos = file->flag(prefix + "add_eos_token");
  vocabulary.add_space_prefix = file->flag(prefix + "add_space_prefix").value_or(true);
  vocabulary.chat_template = file->text("tokenizer.chat_template").value_or("");
  return vocabulary;
}

}  // namespace scsim::exec
