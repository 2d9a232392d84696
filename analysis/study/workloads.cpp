#include "analysis/study/workloads.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <limits>

#include "traces/files.h"
#include "traces/generate.h"
#include "traces/hash.h"
#include "traces/proto/recipe.pb.h"
#include "traces/text.h"
#include "traces/trace_cut.h"
#include "traces/yaml_message.h"

namespace scsim::analysis {
namespace {

constexpr std::uint64_t kAllRequests = std::numeric_limits<std::uint64_t>::max();

Expected<void> generate(const Workload& workload, const std::string& out) {
  proto::Recipe recipe;
  if (const auto read = read_yaml_file(workload.trace, recipe); !read) return read;
  const std::uint64_t seed =
      workload.seed.value_or(recipe.seed()) + static_cast<std::uint64_t>(workload.replicate);
  const auto made = generate_trace({.path = workload.trace, .seed = seed}, out, "study");
  if (!made) return made.error();
  return {};
}

}  // namespace

Workloads::Workloads(std::uint64_t most_bytes) : most_bytes_(most_bytes) {}

Workloads::~Workloads() {
  std::error_code ignored;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

Expected<std::string> Workloads::temporary(const std::string& name) {
  const std::lock_guard lock(mutex_);
  if (folder_.empty()) {
    std::string made = (std::filesystem::temp_directory_path() / "scsim_study_XXXXXX").string();
    if (mkdtemp(made.data()) == nullptr) return Error{made + ": cannot make a temporary folder"};
    folder_ = made;
  }
  return folder_ + "/" + std::to_string(files_++) + "_" + name;
}

void Workloads::make_room(std::uint64_t bytes) {
  while (held_bytes_ + bytes > most_bytes_) {
    auto oldest = entries_.end();
    for (auto it = entries_.begin(); it != entries_.end(); ++it) {
      const bool stored = it->second->made && it->second->stored != nullptr;
      if (stored && (oldest == entries_.end() || it->second->last_use < oldest->second->last_use))
        oldest = it;
    }
    if (oldest == entries_.end()) return;
    held_bytes_ -= oldest->second->stored->bytes;
    entries_.erase(oldest);  // made again, if it is asked for again
  }
}

void Workloads::make(const Key& key, Entry& entry) {
  const auto& [workload, requests] = key;
  std::string path = workload.trace;
  std::vector<std::string> temporaries;
  const auto step = [&](const std::string& name, const auto& write) -> Expected<void> {
    const auto to = temporary(name);
    if (!to) return to.error();
    temporaries.push_back(*to);
    if (const auto written = write(path, *to); !written) return written.error();
    path = *to;
    return {};
  };
  Expected<void> done;
  if (is_recipe(workload.trace))
    done = step("recipe.pb",
                [&](const std::string&, const std::string& to) { return generate(workload, to); });
  if (done && (workload.load != 1 || requests != kAllRequests))
    done = step("cut.pb", [&](const std::string& from, const std::string& to) {
      CutOptions cut;
      cut.speed = workload.load;
      if (requests != kAllRequests) cut.requests = requests;
      return cut_trace(from, to, cut, "study");
    });
  if (done) {
    auto stored = StoredTrace::load(path, most_bytes_);
    if (!stored)
      done = stored.error();
    else
      entry.stored = *std::move(stored);
  }
  if (!done) entry.error = done.error().message;
  if (done && !entry.stored) entry.path = path;
  for (const std::string& temporary : temporaries)
    if (temporary != entry.path) std::filesystem::remove(temporary);
}

Expected<TraceReader> Workloads::open(const Workload& workload,
                                      std::optional<std::uint64_t> requests) {
  const Key key{workload, requests.value_or(kAllRequests)};
  std::unique_lock lock(mutex_);
  auto found = entries_.find(key);
  std::shared_ptr<Entry> entry;
  if (found == entries_.end()) {
    entry = entries_.emplace(key, std::make_shared<Entry>()).first->second;
    lock.unlock();
    make(key, *entry);
    lock.lock();
    if (entry->stored) {
      make_room(entry->stored->bytes);
      held_bytes_ += entry->stored->bytes;
    }
    entry->made = true;
    changed_.notify_all();
  } else {
    entry = found->second;
    changed_.wait(lock, [&] { return entry->made; });
  }
  entry->last_use = ++uses_;
  if (!entry->error.empty()) return Error{entry->error};
  if (entry->stored) return TraceReader::over(entry->stored);
  return TraceReader::open(entry->path);
}

Expected<std::string> checksum_of(const std::string& path) {
  const auto bytes = read_file(path);
  if (!bytes) return bytes.error();
  std::array<char, 16> digits{};
  const auto end =
      std::to_chars(digits.data(), digits.data() + digits.size(), hash_text(*bytes), 16).ptr;
  return std::string(digits.data(), end);
}

}  // namespace scsim::analysis
