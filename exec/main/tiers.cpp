// scexec tiers: how fast blocks move between the engine's memory and RAM or files, as the `store:`
// of a cluster file.
#include <algorithm>
#include <cstdio>
#include <memory>

#include "exec/engine/tier_sweep.h"
#include "exec/main/commands.h"
#include "exec/main/engine_arguments.h"
#include "exec/main/lists.h"
#include "traces/files.h"
#include "traces/program/command_line.h"
#include "traces/program/terminal.h"
#include "traces/report/text_table.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

using program::Command;
using program::ExitCode;
using program::fail;

struct Arguments {
  EngineArguments engine;
  std::string blocks = "4,16,64", out;
  std::optional<std::int64_t> repeat;
};

struct MeasuredTier {
  std::string name, medium, capacity;
  double read = 0, write = 0;  // bytes per second, at the largest number of blocks
};

// Median seconds a block; what of the samples does not fit is left out.
double seconds_per_block(const std::vector<TierSample>& samples, bool written,
                         std::int64_t blocks) {
  std::vector<double> seconds;
  for (const TierSample& sample : samples) {
    if (sample.written == written && sample.blocks == blocks)
      seconds.push_back(sample.seconds / static_cast<double>(blocks));
  }
  if (seconds.empty()) return 0;
  std::ranges::sort(seconds);
  return seconds[seconds.size() / 2];
}

// The tier alone below an engine that has room for the largest of `sizes` blocks and one more.
Expected<MeasuredTier> measure(EngineArguments arguments, const std::string& name,
                               const std::vector<std::int64_t>& sizes, int rounds, TextTable& table,
                               std::string& how) {
  const bool disk = name == "disk";
  MeasuredTier result{name, disk ? "nvme" : "dram", disk ? arguments.disk : arguments.host};
  (disk ? arguments.host : arguments.disk).clear();
  if (!disk) arguments.folder.clear();
  const std::int64_t largest = std::ranges::max(sizes);
  arguments.settings.push_back("num_blocks=" + std::to_string(largest + 1));
  Expected<ReadyEngine> ready = make_engine(arguments);
  if (!ready) return ready.error();
  const BlockStore::Tier tier = disk ? BlockStore::Tier::kDisk : BlockStore::Tier::kHost;
  const std::int64_t bytes = ready->engine->block_bytes();
  const std::int64_t wanted = 3 * (largest + 1) * std::ssize(sizes) * bytes;
  if (ready->store->use(tier).capacity < wanted) {
    return Error{"--" + name + "-cache: measuring it takes room for " +
                 format_bytes(static_cast<double>(wanted))};
  }
  how = describe_model(ready->model) + ", by the " + ready->clock->description();
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const auto samples = measure_tier(*ready->engine, sizes[i], rounds, i + 1);
    if (!samples) return samples.error();
    const double write = seconds_per_block(*samples, true, sizes[i]);
    const double read = seconds_per_block(*samples, false, sizes[i]);
    if (write == 0 || read == 0)
      return Error{name + ": nothing was moved; is its folder empty of blocks of this model?"};
    const auto size = static_cast<double>(bytes);
    table.add({name, format_integer(sizes[i]), format_seconds(write), format_seconds(read),
               format_bytes(size / write) + "/s", format_bytes(size / read) + "/s"});
    if (sizes[i] < largest) continue;
    result.write = size / write;
    result.read = size / read;
  }
  return result;
}

std::string as_cluster(const std::vector<MeasuredTier>& tiers, const std::string& how,
                       const std::string& command, std::int64_t block_tokens) {
  std::string text = "# " + how + "\n# " + command +
                     "\nstore:\n  block_tokens: " + std::to_string(block_tokens) +
                     "\n  fetch: always\n  tiers:\n";
  for (const MeasuredTier& tier : tiers) {
    text += "    - {name: " + tier.name + ", medium: " + tier.medium +
            ", scope: engine, capacity: " + tier.capacity +
            ", write: back, promote: " + (tier.name == "host" ? "true" : "false") +
            ",\n       read_bandwidth: " + format_fixed(tier.read / 1e9, 3) +
            " GB/s, write_bandwidth: " + format_fixed(tier.write / 1e9, 3) + " GB/s}\n";
  }
  return text + "# Copies from RAM to RAM pass no link of their own.\n" +
         "network: {pcie_bandwidth: 1000 GB/s, pcie_latency: 0 s}\n";
}

ExitCode run(const Arguments& arguments) {
  const auto sizes = number_list("--blocks", arguments.blocks, 1);
  if (!sizes) return fail(sizes.error().message, ExitCode::kUsageError);
  if (arguments.engine.host.empty() && arguments.engine.disk.empty())
    return fail("--host-cache, --disk-cache: which tiers?", ExitCode::kUsageError);
  const auto knobs = read_knobs(arguments.engine.file, arguments.engine.settings);
  if (!knobs) return fail(knobs.error());
  TextTable table({"tier", "blocks", "out, a block", "in, a block", "out", "in"});
  std::vector<MeasuredTier> tiers;
  std::string how;
  for (const char* name : {"host", "disk"}) {
    if ((name == std::string("disk") ? arguments.engine.disk : arguments.engine.host).empty())
      continue;
    auto tier = measure(arguments.engine, name, *sizes,
                        static_cast<int>(arguments.repeat.value_or(3)), table, how);
    if (!tier) return fail(tier.error());
    tiers.push_back(*std::move(tier));
  }
  std::vector<std::string> words = {"tiers"};
  for (const std::string& word : words_of(arguments.engine)) words.push_back(word);
  const std::string command = program::quoted_command_line(words);
  if (!arguments.out.empty()) {
    const auto written =
        write_file(arguments.out, as_cluster(tiers, how, command, knobs->block_tokens));
    if (!written) return fail(written.error());
  }
  std::printf("%s\n%s", how.c_str(), table.text(0).c_str());
  return ExitCode::kOk;
}

}  // namespace

Command tiers_command() {
  auto arguments = std::make_shared<Arguments>();
  Arguments& a = *arguments;
  Command command{.name = "tiers",
                  .sentence =
                      "measure blocks on their way to RAM and files and back, for a "
                      "cluster file's store",
                  .arguments = engine_arguments(a.engine),
                  .run = [arguments] { return run(*arguments); },
                  .details =
                      "Files are read and written past the page cache (O_DIRECT) where the "
                      "file system can;\nwhat is measured has the copies, checksums and "
                      "checks that serving has."};
  for (program::Argument& argument : tier_arguments(a.engine))
    command.arguments.push_back(std::move(argument));
  command.arguments.push_back({.name = "--blocks",
                               .value_name = "N,M",
                               .into = &a.blocks,
                               .sentence = "moved at once (4,16,64)"});
  command.arguments.push_back({.name = "--repeat",
                               .value_name = "N",
                               .into = &a.repeat,
                               .sentence = "rounds in which every block comes back (3)",
                               .min = 1});
  command.arguments.push_back({.name = "--out,-o",
                               .value_name = "STORE.yaml",
                               .into = &a.out,
                               .sentence = "the `store:` and `network:` of a cluster file",
                               .completes = program::Completes::kFile});
  return command;
}

}  // namespace scsim::exec
