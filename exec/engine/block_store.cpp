#include "exec/engine/block_store.h"

#include <fcntl.h>
#include <openssl/sha.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "traces/check.h"

namespace scsim::exec {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSector = 4096;  // what O_DIRECT asks of addresses and sizes
constexpr std::array<char, 8> kMagic = {'S', 'C', 'S', 'I', 'M', 'K', 'V', '1'};
constexpr std::string_view kEnding = ".block";

using Digest = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

// The first sector of a file.
struct Header {
  std::array<char, 8> magic = kMagic;
  std::uint64_t bytes = 0;
  BlockKey key;
  Digest digest{};  // of the content
};

Digest digest_of(std::span<const std::byte> bytes) {
  Digest digest;
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.data());
  return digest;
}

struct Freed {
  void operator()(std::byte* memory) const { std::free(memory); }
};

std::size_t file_bytes(std::size_t block_bytes) {
  return kSector + (block_bytes + kSector - 1) / kSector * kSector;
}

std::unique_ptr<std::byte[], Freed> sectors(std::size_t bytes) {
  auto* memory = static_cast<std::byte*>(std::aligned_alloc(kSector, bytes));
  SCSIM_CHECK(memory != nullptr);
  std::memset(memory, 0, bytes);
  return std::unique_ptr<std::byte[], Freed>(memory);
}

// Past the page cache if the file system can do that.
int open_file(const std::string& path, int flags) {
  const int file = ::open(path.c_str(), flags | O_DIRECT | O_CLOEXEC, 0644);
  if (file >= 0 || errno != EINVAL) return file;
  return ::open(path.c_str(), flags | O_CLOEXEC, 0644);
}

bool transfer(int file, std::byte* memory, std::size_t bytes, bool write) {
  for (std::size_t done = 0; done < bytes;) {
    const ssize_t now = write ? ::write(file, memory + done, bytes - done)
                              : ::read(file, memory + done, bytes - done);
    if (now < 0 && errno == EINTR) continue;
    if (now <= 0) return false;
    done += static_cast<std::size_t>(now);
  }
  return true;
}

// Tells, when it goes, for how long nothing was computed.
class Waiting {
 public:
  explicit Waiting(const std::function<void(double)>& hear) : hear_(hear) {}
  ~Waiting() {
    if (!hear_) return;
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began_;
    hear_(std::max(0.0, took.count() - (cpu() - cpu_)));
  }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

 private:
  static double cpu() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
  }
  const std::function<void(double)>& hear_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  double cpu_ = cpu();
};

std::optional<BlockKey> key_of(const std::string& hex) {
  BlockKey key;
  if (hex.size() != 2 * key.digest.size()) return std::nullopt;
  for (std::size_t i = 0; i < key.digest.size(); ++i) {
    const auto digit = [&](char c) {
      return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    };
    const int high = digit(hex[2 * i]), low = digit(hex[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    key.digest[i] = static_cast<unsigned char>(high * 16 + low);
  }
  return key;
}

}  // namespace

BlockStore::BlockStore(const Options& options) : options_(options) {
  of(Tier::kHost).capacity = options.host_bytes;
  of(Tier::kDisk).capacity = options.disk_bytes;
}

BlockStore::~BlockStore() {
  if (lock_ >= 0) ::close(lock_);
}

Expected<std::unique_ptr<BlockStore>> BlockStore::open(const Options& options) {
  SCSIM_CHECK_GT(options.block_bytes, 0);
  std::unique_ptr<BlockStore> store(new BlockStore(options));
  if (store->exists(Tier::kDisk)) {
    if (const auto scanned = store->scan(); !scanned) return scanned.error();
  }
  return store;
}

// ---- what is there ----

Expected<void> BlockStore::scan() {
  std::error_code failed;
  fs::create_directories(options_.folder, failed);
  if (failed) return Error{options_.folder + ": " + failed.message()};
  const std::string lock = options_.folder + "/lock";
  lock_ = ::open(lock.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
  if (lock_ < 0) return Error{lock + ": " + std::strerror(errno)};
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0)
    return Error{options_.folder + ": another process keeps its blocks there"};
  std::vector<std::pair<fs::file_time_type, BlockKey>> found;
  for (const auto& entry : fs::directory_iterator(options_.folder)) {
    const std::string name = entry.path().filename();
    if (name == "lock") continue;
    const std::optional<BlockKey> key = name.ends_with(kEnding)
                                            ? key_of(name.substr(0, name.size() - kEnding.size()))
                                            : std::nullopt;
    // What a kill cut short, or blocks of another size: of another model in the same folder.
    if (!key) {
      if (name.ends_with(".partial")) fs::remove(entry.path(), failed);
    } else if (entry.file_size(failed) ==
               file_bytes(static_cast<std::size_t>(options_.block_bytes))) {
      found.emplace_back(entry.last_write_time(failed), *key);
    } else {
      fs::remove(entry.path(), failed);
      ++of(Tier::kDisk).damaged;
    }
  }
  std::ranges::sort(found);
  TierUse& use = of(Tier::kDisk);
  for (const auto& [when, key] : found) {
    disk_.by_key[key] = disk_.order.insert(disk_.order.end(), key);
    use.live += options_.block_bytes;
  }
  while (use.live > use.capacity) forget_file(disk_.order.front());
  use.peak = use.live;
  return {};
}

bool BlockStore::has(const BlockKey& key) const {
  return host_.by_key.contains(key) || disk_.by_key.contains(key);
}

bool BlockStore::use_again(const BlockKey& key) {
  const auto in_host = host_.by_key.find(key);
  if (in_host != host_.by_key.end())
    host_.order.splice(host_.order.end(), host_.order, in_host->second);
  const auto on_disk = disk_.by_key.find(key);
  if (on_disk != disk_.by_key.end())
    disk_.order.splice(disk_.order.end(), disk_.order, on_disk->second);
  return exists(Tier::kHost) ? in_host != host_.by_key.end() : on_disk != disk_.by_key.end();
}

std::string BlockStore::path(const BlockKey& key) const {
  return options_.folder + "/" + key.hex() + std::string(kEnding);
}

// ---- to and fro ----

void BlockStore::put(const BlockKey& key, std::span<const std::byte> bytes) {
  SCSIM_CHECK_EQ(bytes.size(), static_cast<std::size_t>(options_.block_bytes));
  if (exists(Tier::kHost)) {
    to_host(key, bytes);
  } else if (exists(Tier::kDisk)) {
    to_disk(key, bytes);
  }
}

void BlockStore::to_host(const BlockKey& key, std::span<const std::byte> bytes) {
  if (const auto there = host_.by_key.find(key); there != host_.by_key.end()) {
    host_.order.splice(host_.order.end(), host_.order, there->second);
    return;
  }
  TierUse& use = of(Tier::kHost);
  if (options_.block_bytes > use.capacity) return;
  while (use.live + options_.block_bytes > use.capacity) {
    InHost& oldest = host_.order.front();
    if (exists(Tier::kDisk)) to_disk(oldest.key, oldest.bytes);
    host_.by_key.erase(oldest.key);
    host_.order.pop_front();
    use.live -= options_.block_bytes;
    use.evicted += options_.block_bytes;
  }
  host_.by_key[key] = host_.order.insert(host_.order.end(), {key, {bytes.begin(), bytes.end()}});
  use.live += options_.block_bytes;
  use.stored += options_.block_bytes;
  use.peak = std::max(use.peak, use.live);
}

void BlockStore::to_disk(const BlockKey& key, std::span<const std::byte> bytes) {
  if (const auto there = disk_.by_key.find(key); there != disk_.by_key.end()) {
    disk_.order.splice(disk_.order.end(), disk_.order, there->second);
    return;
  }
  TierUse& use = of(Tier::kDisk);
  if (options_.block_bytes > use.capacity) return;
  while (use.live + options_.block_bytes > use.capacity) {
    use.evicted += options_.block_bytes;
    forget_file(disk_.order.front());
  }
  if (!write_file(key, bytes)) return;
  disk_.by_key[key] = disk_.order.insert(disk_.order.end(), key);
  use.live += options_.block_bytes;
  use.stored += options_.block_bytes;
  use.peak = std::max(use.peak, use.live);
}

void BlockStore::forget_file(const BlockKey& key) {
  const BlockKey name = key;  // which may be the list's own
  const auto there = disk_.by_key.find(name);
  disk_.order.erase(there->second);
  disk_.by_key.erase(there);
  of(Tier::kDisk).live -= options_.block_bytes;
  std::error_code ignored;
  fs::remove(path(name), ignored);
}

std::optional<BlockStore::Tier> BlockStore::get(const BlockKey& key, std::span<std::byte> bytes) {
  SCSIM_CHECK_EQ(bytes.size(), static_cast<std::size_t>(options_.block_bytes));
  if (const auto there = host_.by_key.find(key); there != host_.by_key.end()) {
    std::ranges::copy(there->second->bytes, bytes.begin());
    host_.order.splice(host_.order.end(), host_.order, there->second);
    of(Tier::kHost).fetched += options_.block_bytes;
    return Tier::kHost;
  }
  const auto there = disk_.by_key.find(key);
  if (there == disk_.by_key.end()) return std::nullopt;
  if (!read_file(key, bytes)) {
    ++of(Tier::kDisk).damaged;
    forget_file(key);
    return std::nullopt;
  }
  disk_.order.splice(disk_.order.end(), disk_.order, there->second);
  of(Tier::kDisk).fetched += options_.block_bytes;
  if (exists(Tier::kHost)) to_host(key, bytes);
  return Tier::kDisk;
}

// ---- files ----

bool BlockStore::read_file(const BlockKey& key, std::span<std::byte> bytes) {
  const Waiting waiting(options_.waited);
  const int file = open_file(path(key), O_RDONLY);
  if (file < 0) return false;
  const std::size_t size = file_bytes(bytes.size());
  const auto memory = sectors(size);
  const bool read = transfer(file, memory.get(), size, false);
  ::close(file);
  Header header;
  std::memcpy(&header, memory.get(), sizeof(header));
  const std::span<const std::byte> content(memory.get() + kSector, bytes.size());
  if (!read || header.magic != kMagic || header.bytes != bytes.size() || header.key != key ||
      header.digest != digest_of(content))
    return false;
  std::ranges::copy(content, bytes.begin());
  return true;
}

bool BlockStore::write_file(const BlockKey& key, std::span<const std::byte> bytes) {
  const Waiting waiting(options_.waited);
  const std::size_t size = file_bytes(bytes.size());
  const auto memory = sectors(size);
  Header header;
  header.bytes = bytes.size();
  header.key = key;
  header.digest = digest_of(bytes);
  static_assert(sizeof(header) <= kSector);
  std::memcpy(memory.get(), &header, sizeof(header));
  std::ranges::copy(bytes, memory.get() + kSector);
  const std::string name = path(key), partial = name + ".partial";
  const int file = open_file(partial, O_CREAT | O_TRUNC | O_WRONLY);
  if (file < 0) return false;
  const bool written = transfer(file, memory.get(), size, true);
  std::error_code failed;
  if (::close(file) == 0 && written) {
    fs::rename(partial, name, failed);
    if (!failed) return true;
  }
  fs::remove(partial, failed);
  return false;
}

}  // namespace scsim::exec
