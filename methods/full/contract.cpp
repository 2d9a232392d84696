// Full attention: every token attends all before it, and all of the cache is kept. The baseline
// that every other method is compared with.
#include "methods/contract.h"

#include "methods/method.h"

namespace scsim::methods {
namespace {

class FullContract final : public DenseContract {
 public:
  ReuseClass reuse(SessionMode) const override { return ReuseClass::kExact; }
};

}  // namespace

MethodEntry full_method() {
  return {.name = "full",
          .sentence = "full attention: attends and keeps everything",
          .category = "baseline",
          .source = "Vaswani et al. 2017, arXiv 1706.03762",
          .parameters = {},
          .make_contract = [](const MethodParameters&) -> std::unique_ptr<KvContract> {
            return std::make_unique<FullContract>();
          },
          .lossless = {""},
          .needs_attention = false};
}

}  // namespace scsim::methods
