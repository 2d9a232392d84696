// The vocabulary that a GGUF file carries, as its metadata says it: plain data between the reader
// of such files and make_gguf_tokenizer().
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace scsim::exec {

enum class GgufTokenType : std::int32_t {  // the numbers are the format's
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6
};

struct GgufVocabulary {
  std::string source = {};  // what errors call it: the file's path
  std::string model = {};   // tokenizer.ggml.model: "gpt2" (byte-level), "llama" (SentencePiece)
  std::string pre = {};     // tokenizer.ggml.pre: "llama-bpe", "qwen2", "smollm", ...
  std::vector<std::string> tokens = {};  // tokenizer.ggml.tokens
  std::vector<float> scores = {};        // tokenizer.ggml.scores; of "llama" only
  std::vector<std::int32_t> types = {};  // tokenizer.ggml.token_type; empty: all normal
  std::vector<std::string> merges = {};  // tokenizer.ggml.merges, "left right"; of "gpt2" only
  std::int32_t bos = -1;                 // tokenizer.ggml.bos_token_id, and so on; -1: none
  std::int32_t eos = -1;
  std::int32_t eot = -1;  // end of a turn
  std::int32_t unknown = -1;
  // tokenizer.ggml.add_bos_token, add_eos_token; where the file is silent, what its family does.
  std::optional<bool> add_bos = {}, add_eos = {};
  bool add_space_prefix = true;    // tokenizer.ggml.add_space_prefix; of "llama" only
  std::string chat_template = {};  // tokenizer.chat_template; for ChatTemplate::recognise()
};

}  // namespace scsim::exec
