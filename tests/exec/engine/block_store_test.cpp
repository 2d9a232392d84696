#include "exec/engine/block_store.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/support/temporary_folder.h"
#include "traces/rng.h"

using namespace scsim;
using namespace scsim::exec;

namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<std::byte>;
constexpr std::int64_t kBytes = 10'000;
using Tier = BlockStore::Tier;

BlockKey key_of(std::int32_t number) { return next_key(root_key("m", ""), {&number, 1}); }

Bytes content(std::int32_t number) {
  Rng rng(static_cast<std::uint64_t>(number), "tests.block_store");
  Bytes bytes(kBytes);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(rng.next());
  return bytes;
}

std::unique_ptr<BlockStore> open(std::int64_t host, std::int64_t disk, const std::string& folder) {
  auto store = BlockStore::open({.block_bytes = kBytes,
                                 .host_bytes = host * kBytes,
                                 .disk_bytes = disk * kBytes,
                                 .folder = folder});
  INFO((store ? "" : store.error().message));
  REQUIRE(store);
  return *std::move(store);
}

// Where it is and that it is right; -1: nowhere.
int found(BlockStore& store, std::int32_t number) {
  Bytes bytes(kBytes);
  const std::optional<Tier> tier = store.get(key_of(number), bytes);
  if (!tier) return -1;
  REQUIRE((bytes == content(number)));
  return static_cast<int>(*tier);
}

std::string file_of(const std::string& folder, std::int32_t number) {
  return folder + "/" + key_of(number).hex() + ".block";
}

}  // namespace

TEST_CASE("blocks go from RAM to disk and from there for good, those used longest ago first",
          "[exec][engine]") {
  const test::TemporaryFolder folder;
  const auto store = open(2, 3, folder.path());
  for (std::int32_t i = 0; i < 4; ++i) store->put(key_of(i), content(i));  // RAM 2 3, disk 0 1
  CHECK(found(*store, 3) == 0);
  CHECK(found(*store, 0) == 1);  // to RAM as well, and 2 goes to disk: RAM 3 0, disk 1 0 2
  CHECK(found(*store, 0) == 0);
  store->put(key_of(4), content(4));  // RAM 0 4; 3 goes to disk and pushes 1 out
  CHECK(!store->has(key_of(1)));
  CHECK(found(*store, 1) == -1);
  CHECK(found(*store, 2) == 1);
  CHECK(store->use(Tier::kHost).live == 2 * kBytes);
  CHECK(store->use(Tier::kDisk).live == 3 * kBytes);
  for (const Tier tier : {Tier::kHost, Tier::kDisk}) {  // INV-CONSERVE
    const TierUse& use = store->use(tier);
    CHECK(use.stored == use.live + use.evicted);
    CHECK(use.peak <= use.capacity);
  }
}

TEST_CASE("the next process finds what is on disk, and of that what fits", "[exec][engine]") {
  const test::TemporaryFolder folder;
  {
    const auto store = open(0, 5, folder.path());
    for (std::int32_t i = 0; i < 5; ++i) {
      store->put(key_of(i), content(i));
      fs::last_write_time(file_of(folder.path(), i),
                          fs::file_time_type::clock::now() + std::chrono::seconds(i));
    }
    const auto other =
        BlockStore::open({.block_bytes = kBytes, .disk_bytes = kBytes, .folder = folder.path()});
    REQUIRE(!other);
    CHECK_THAT(other.error().message, Catch::Contains("another process"));
  }
  const auto store = open(0, 3, folder.path());
  for (std::int32_t i = 0; i < 5; ++i) CHECK(found(*store, i) == (i < 2 ? -1 : 1));
  CHECK(!fs::exists(file_of(folder.path(), 0)));
}

TEST_CASE("a damaged block is never given out, but dropped and counted", "[exec][engine]") {
  const test::TemporaryFolder folder;
  {
    const auto store = open(0, 6, folder.path());
    for (std::int32_t i = 0; i < 6; ++i) store->put(key_of(i), content(i));
  }
  const auto change = [&](std::int32_t number, std::streamoff at) {
    std::fstream file(file_of(folder.path(), number),
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(at);
    const auto byte = static_cast<char>(file.get() ^ 1);
    file.seekp(at);
    file.put(byte);
  };
  change(0, 4096 + kBytes - 1);                                      // its last byte
  change(1, 9);                                                      // its length
  fs::resize_file(file_of(folder.path(), 2), 4096);                  // cut short
  fs::rename(file_of(folder.path(), 3), file_of(folder.path(), 9));  // another's name
  fs::remove(file_of(folder.path(), 4));
  test::overwrite(folder.file("x.block.partial"), "begun");
  const auto store = open(0, 6, folder.path());
  for (const std::int32_t number : {0, 1, 2, 3, 4, 9}) CHECK(found(*store, number) == -1);
  CHECK(found(*store, 5) == 1);
  CHECK(store->use(Tier::kDisk).damaged == 4);
  CHECK(store->use(Tier::kDisk).live == kBytes);
  CHECK(!fs::exists(folder.file("x.block.partial")));
  store->put(key_of(0), content(0));  // computed again
  CHECK(found(*store, 0) == 1);
}

TEST_CASE("killed at any moment, the disk has whole blocks or none", "[exec][engine]") {
  const test::TemporaryFolder folder;
  std::size_t most = 0;
  for (int kill = 0; kill < 8; ++kill) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      const auto store = BlockStore::open(
          {.block_bytes = kBytes, .disk_bytes = 40 * kBytes, .folder = folder.path()});
      for (std::int32_t i = 0; store && i < 1'000'000; ++i)
        (*store)->put(key_of(i % 200), content(i % 200));
      _exit(1);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(40 + 23 * kill));
    ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
    const auto store = open(0, 40, folder.path());
    std::size_t there = 0;
    for (std::int32_t i = 0; i < 200; ++i) there += found(*store, i) >= 0 ? 1U : 0U;
    CHECK(store->use(Tier::kDisk).damaged == 0);
    most = std::max(most, there);
  }
  CHECK(most > 10);
}
