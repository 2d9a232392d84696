// Results in which every field of every struct has a value that is neither its default nor a
// neighbour's, and a comparison field by field.
#pragma once

#include "traces/result.h"

namespace scsim {

Result some_result(std::size_t num_requests);
Result with_store(Result result, std::size_t tiers);
Result with_transfers(Result result);
void check_same(const Result& a, const Result& b);

}  // namespace scsim
