// The network that a GGUF file describes, from its metadata ("llama.block_count", ...) and, where
// the metadata is silent (biases, tied embeddings), from which tensors it has.
#pragma once

#include "exec/weights/gguf_file.h"
#include "exec/weights/model_config.h"

namespace scsim::exec {

Expected<ModelConfig> config_of(const GgufFile& file);

// llama.cpp rotates pairs (2i, 2i+1), so its converter moves the rows of q and k of Llama and its
// kin, whose pairs are (i, i + head_dim/2). Whether this file's rows were moved so.
bool has_moved_rows(const GgufFile& file);

}  // namespace scsim::exec
