// What SnapKV and its kin (PyramidKV) are set by: how the last queries of a prompt vote for tokens.
#pragma once

#include <vector>

#include "methods/method.h"

namespace scsim::methods {

enum class WindowPooling { kMean, kMax };     // of a token's votes with those of its neighbours
enum class GroupVote { kMean, kMax, kEach };  // kEach: every query head keeps its own tokens

struct WindowVote {
  std::int64_t window = 32;
  std::int64_t kernel = 5;
  WindowPooling pooling = WindowPooling::kMean;
  GroupVote group = GroupVote::kMean;
  bool at_every_append = false;
};

// "window", "kernel", "pooling", "group" and "compress".
std::vector<MethodParameter> window_vote_parameters();
WindowVote window_vote(const MethodParameters& parameters);

}  // namespace scsim::methods
