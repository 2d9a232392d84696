// The frontend's limits: how many requests are in the system at once, in all, of a service class
// and of a tenant. One that finds as many is shed at its arrival, which costs its client a moment
// where a place in an overloaded queue would cost its deadline.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace scsim::sim {

struct AdmissionSettings {
  struct ClassLimit {
    std::string slo;
    std::int64_t most = 0;
  };
  std::int64_t most = 0;  // 0: no limit
  std::vector<ClassLimit> classes;
};

class AdmissionGate {
 public:
  // A class's limit is of its own requests, and of all there are when one of it comes: so classes
  // with lower limits are shed first.
  AdmissionGate(const AdmissionSettings& settings, bool of_tenants)
      : settings_(settings),
        in_use_(settings.most > 0 || !settings.classes.empty() || of_tenants) {}

  bool in_use() const { return in_use_; }
  void tenant_seen(std::uint32_t tenant, std::int64_t most) { grown(tenants_, tenant).most = most; }
  // Whether the request may come in; then it counts until leave().
  bool enter(std::uint32_t tenant, std::uint32_t slo, const std::string& slo_name);
  void leave(std::uint32_t tenant, std::uint32_t slo);

 private:
  struct Count {
    std::int64_t now = 0, most = 0;
    bool known = false;
  };
  static Count& grown(std::vector<Count>& counts, std::uint32_t id) {
    if (id >= counts.size()) counts.resize(id + std::size_t{1});
    return counts[id];
  }

  AdmissionSettings settings_;
  bool in_use_;
  std::int64_t now_ = 0;
  std::vector<Count> tenants_, classes_;
};

}  // namespace scsim::sim
