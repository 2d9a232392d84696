// A test case of each method and each law, "snapkv: a fork computes what a separate run computes".
#include <catch2/catch.hpp>

#include "tests/methods/conformance/laws.h"

namespace scsim::test {
namespace {

class Case final : public Catch::ITestInvoker {
 public:
  Case(const methods::MethodEntry& entry, const Law& law) : entry_(entry), law_(law) {}
  void invoke() const override { law_.check(entry_); }

 private:
  const methods::MethodEntry& entry_;
  const Law& law_;
};

const bool registered = [] {
  for (const methods::MethodEntry& entry : methods::method_table()) {
    for (const Law& law : laws()) {
      const std::string name = entry.name + ": " + law.name;
      const std::string tags = "[methods][conformance][" + entry.name + "]";
      // Catch2 owns the invoker.
      const Catch::AutoReg add(new Case(entry, law), CATCH_INTERNAL_LINEINFO, Catch::StringRef(),
                               Catch::NameAndTags(name, tags));
    }
  }
  return true;
}();

}  // namespace
}  // namespace scsim::test
