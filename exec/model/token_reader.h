// A model as rewriting methods see it (exec/api/prompt_tools.h): full attention, a cache of its
// own.
#pragma once

#include <memory>

#include "exec/api/prompt_tools.h"
#include "exec/model/model.h"

namespace scsim::exec {

// REQUIRES: `model` outlives the reader.
std::unique_ptr<TokenReader> make_token_reader(Model& model);

}  // namespace scsim::exec
