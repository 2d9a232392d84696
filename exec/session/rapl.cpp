#include "exec/session/rapl.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "traces/files.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "intel-rapl:";
constexpr double kUnitsPerJoule = 1e6;  // microjoules

std::optional<double> joules_in(const fs::path& file) {
  const Expected<std::string> text = read_file(file);
  if (!text) return std::nullopt;
  const Expected<std::int64_t> units = parse_integer(trim(*text));
  if (!units || *units < 0) return std::nullopt;
  return static_cast<double>(*units) / kUnitsPerJoule;
}

std::string zone_name(const fs::path& zone) {
  const Expected<std::string> text = read_file(zone / "name");
  return text ? std::string(trim(*text)) : "";
}

// "rapl package-0", "rapl package-0 dram"; empty: not one that counts.
std::string source_of(const fs::path& folder, const std::string& zone) {
  const std::string name = zone_name(folder / zone);
  if (name.starts_with("package")) return "rapl " + name;
  const std::size_t inner = zone.find(':', kPrefix.size());
  if (name != "dram" || inner == std::string::npos) return "";
  return "rapl " + zone_name(folder / zone.substr(0, inner)) + " dram";
}

}  // namespace

EnergyCounters rapl_counters(const std::string& powercap) {
  EnergyCounters found;
  std::vector<std::string> zones;
  std::error_code error;
  for (fs::directory_iterator entry(powercap, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string zone = entry->path().filename();
    if (zone.starts_with(kPrefix)) zones.push_back(zone);
  }
  std::ranges::sort(zones);
  std::size_t closed = 0;
  for (const std::string& zone : zones) {
    const fs::path folder = fs::path(powercap) / zone;
    const std::string source = source_of(powercap, zone);
    if (source.empty()) continue;
    const fs::path counter = folder / "energy_uj";
    if (!joules_in(counter)) {
      ++closed;
      continue;
    }
    found.counters.push_back({.source = source,
                              .read = [counter] { return joules_in(counter); },
                              .range = joules_in(folder / "max_energy_range_uj").value_or(0)});
  }
  if (!found.counters.empty()) return found;
  if (closed > 0) {
    found.why_none = "the counters in " + powercap +
                     " cannot be read: Linux shows them to root only; as root, chmod a+r " +
                     powercap + "/intel-rapl:*/energy_uj";
  } else {
    found.why_none = "no package's counter in " + powercap +
                     ": virtual machines and containers mostly have none, elsewhere the module "
                     "intel_rapl_common is missing";
  }
  return found;
}

}  // namespace scsim::exec
