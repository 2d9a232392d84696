// The arguments by which commands are told how the engine schedules and by what clock, and the
// engine they make of them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "exec/engine/engine.h"
#include "exec/engine/engine_clock.h"
#include "exec/main/model_arguments.h"

namespace scsim::exec {

struct EngineArguments {
  ModelArguments model;
  std::string file, clock = "wall", method;
  std::vector<std::string> settings;
  std::string host, disk, folder;  // tiers below
};

std::vector<program::Argument> engine_arguments(EngineArguments& arguments);
// For commands that keep blocks in tiers below the engine's own memory, besides.
std::vector<program::Argument> tier_arguments(EngineArguments& arguments);

// In the order in which they are made: the engine refers to the others.
struct ReadyEngine {
  LoadedModel model;
  std::unique_ptr<EngineClock> clock;
  std::unique_ptr<BlockStore> store;  // null: no tiers below
  std::unique_ptr<Engine> engine;
};
// Loads the model with as many blocks as the knobs say, or as fit 1 GiB.
Expected<ReadyEngine> make_engine(const EngineArguments& arguments);

// The words that say the same, for "made by" notes.
std::vector<std::string> words_of(const EngineArguments& arguments);

}  // namespace scsim::exec
