// Energy counters, on folders and a library that the tests make up.
#include "exec/session/energy.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "exec/session/meters.h"
#include "exec/session/nvml.h"
#include "exec/session/rapl.h"
#include "tests/support/temporary_folder.h"
#include "traces/files.h"

namespace scsim::exec {
namespace {

// A zone of /sys/class/powercap.
class Zone {
 public:
  Zone(const test::TemporaryFolder& folder, const std::string& zone, const std::string& name)
      : path_(folder.file(zone)) {
    std::filesystem::create_directories(path_);
    REQUIRE(write_file(path_ + "/name", name + "\n").has_value());
    REQUIRE(write_file(path_ + "/max_energy_range_uj", "1000000000\n").has_value());
    set(0);
  }
  void set(std::int64_t microjoules) const {
    REQUIRE(write_file(path_ + "/energy_uj", std::to_string(microjoules) + "\n").has_value());
  }
  void close() const { std::filesystem::remove(path_ + "/energy_uj"); }

 private:
  std::string path_;
};

using Used = std::vector<std::pair<std::string, double>>;

TEST_CASE("packages and their memory are counted, parts of them and the whole board are not",
          "[exec][session]") {
  const test::TemporaryFolder folder;
  const Zone board(folder, "intel-rapl:9", "psys"), one(folder, "intel-rapl:0", "package-0"),
      two(folder, "intel-rapl:1", "package-1"), core(folder, "intel-rapl:0:0", "core"),
      dram(folder, "intel-rapl:0:1", "dram"), again(folder, "intel-rapl-mmio:0", "package-0");
  EnergyMeter meter(rapl_counters(folder.path()).counters);
  one.set(2'000'000);
  meter.start();
  one.set(5'500'000);
  dram.set(250'000);
  core.set(3'000'000);
  again.set(3'500'000);
  board.set(9'000'000);
  CHECK((meter.stop() ==
         Used{{"rapl package-0", 3.5}, {"rapl package-0 dram", 0.25}, {"rapl package-1", 0}}));
  two.set(1'000'000);  // since the same start
  CHECK(meter.stop()[2].second == 1.0);
}

TEST_CASE("a counter that wraps around in between has used what is left and what is new",
          "[exec][session]") {
  const test::TemporaryFolder folder;
  const Zone package(folder, "intel-rapl:0", "package-0");  // 1000 J a round
  EnergyMeter meter(rapl_counters(folder.path()).counters);
  package.set(999'000'000);
  meter.start();
  package.set(2'000'000);
  CHECK(meter.stop()[0].second == Approx(3));
  // Whatever the two moments, within a round.
  for (std::int64_t before = 0; before < 1000; before += 37) {
    for (std::int64_t used = 0; used < 1000; used += 41) {
      const std::int64_t after = (before + used) % 1000;
      CHECK(energy_between(static_cast<double>(before), static_cast<double>(after), 1000) ==
            static_cast<double>(used));
    }
  }
}

TEST_CASE("where there are no counters, or they are closed, it is said why", "[exec][session]") {
  const test::TemporaryFolder folder;
  const EnergyCounters none = rapl_counters(folder.path());
  CHECK(none.counters.empty());
  CHECK(none.why_none.find("virtual machines") != std::string::npos);
  CHECK(rapl_counters(folder.file("nowhere")).why_none ==
        "no package's counter in " + folder.file("nowhere") +
            none.why_none.substr(none.why_none.find(": ")));
  const Zone package(folder, "intel-rapl:0", "package-0");
  EnergyMeter meter(rapl_counters(folder.path()).counters);
  meter.start();
  package.close();
  CHECK(meter.stop().empty());  // not a number that nobody measured
  CHECK(rapl_counters(folder.path()).why_none.find("chmod a+r") != std::string::npos);
}

TEST_CASE("NVIDIA's library tells of GPUs and counts their energy", "[exec][session]") {
  const Expected<Nvml> nvml = Nvml::open(SCSIM_MADE_UP_NVML);
  REQUIRE(nvml.has_value());
  CHECK(nvml->driver() == "999.1");
  REQUIRE(nvml->gpus().size() == 2);
  CHECK(nvml->gpus()[0].name == "First");
  CHECK(nvml->gpus()[0].memory_bytes == std::int64_t{1} << 30);
  CHECK_FALSE(nvml->gpus()[1].energy.has_value());
  CHECK(nvml->find("0000:01:00.0") == &nvml->gpus()[0]);
  CHECK(nvml->find("0000:02:00.0") == &nvml->gpus()[1]);
  CHECK(nvml->find("0000:03:00.0") == nullptr);
  EnergyMeter meter({*nvml->gpus()[0].energy});
  meter.start();
  CHECK((meter.stop() == Used{{"nvml gpu 0", 1.5}}));
}

TEST_CASE("a counter outlives the library's handle that made it", "[exec][session]") {
  std::optional<EnergyMeter> meter;
  {
    const Expected<Nvml> nvml = Nvml::open(SCSIM_MADE_UP_NVML);
    REQUIRE(nvml.has_value());
    meter.emplace(std::vector{*nvml->gpus()[0].energy});
  }
  meter->start();
  CHECK(meter->stop()[0].second == 1.5);
}

TEST_CASE("a library that is not there, or is another one, is said", "[exec][session]") {
  const Expected<Nvml> none = Nvml::open("libnvidia-ml-of-nobody.so.1");
  REQUIRE_FALSE(none.has_value());
  CHECK(none.error().message.find("it comes with the driver") != std::string::npos);
  const Expected<Nvml> other = Nvml::open("libc.so.6");
  REQUIRE_FALSE(other.has_value());
  CHECK(other.error().message.find("it has no nvmlInit_v2") != std::string::npos);
}

TEST_CASE("meters give a turn its energy by source", "[exec][session]") {
  const test::TemporaryFolder folder;
  const Zone package(folder, "intel-rapl:0", "package-0");
  SessionOptions options;
  attach_meters(options, std::make_shared<EnergyMeter>(rapl_counters(folder.path()).counters));
  TurnRecord record;
  options.before_turn();
  package.set(4'000'000);
  options.after_turn(record);
  CHECK((record.energy_joules == Used{{"rapl package-0", 4}}));
  CHECK(record.peak_memory_bytes > 0);
}

}  // namespace
}  // namespace scsim::exec
