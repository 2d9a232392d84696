#include "sim/admission.h"

#include <algorithm>

#include "traces/check.h"

namespace scsim::sim {

bool AdmissionGate::enter(std::uint32_t tenant, std::uint32_t slo, const std::string& slo_name) {
  Count& of_class = grown(classes_, slo);
  if (!of_class.known) {
    of_class.known = true;
    const auto limit =
        std::ranges::find(settings_.classes, slo_name, &AdmissionSettings::ClassLimit::slo);
    if (limit != settings_.classes.end()) of_class.most = limit->most;
  }
  Count& of_tenant = grown(tenants_, tenant);
  if (settings_.most > 0 && now_ >= settings_.most) return false;
  if (of_class.most > 0 && now_ >= of_class.most) return false;
  if (of_tenant.most > 0 && of_tenant.now >= of_tenant.most) return false;
  ++now_, ++of_class.now, ++of_tenant.now;
  return true;
}

void AdmissionGate::leave(std::uint32_t tenant, std::uint32_t slo) {
  --now_, --classes_[slo].now, --tenants_[tenant].now;
  SCSIM_CHECK_GE(now_, 0);
}

}  // namespace scsim::sim
