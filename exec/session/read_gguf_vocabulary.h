// The vocabulary out of a GGUF file's metadata, for make_gguf_tokenizer().
#pragma once

#include <string>

#include "exec/text/gguf_vocabulary.h"
#include "traces/expected.h"

namespace scsim::exec {

Expected<GgufVocabulary> read_gguf_vocabulary(const std::string& path);

}  // namespace scsim::exec
