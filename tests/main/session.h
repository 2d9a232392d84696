// scsim in a folder of its own, as a user types it.
#pragma once

#include <catch2/catch.hpp>
#include <string>

#include "tests/support/shell.h"
#include "tests/support/temporary_folder.h"

namespace scsim::test {

// Runs "scsim ARGUMENTS" in a folder with a small trace, small.pb, and a recipe.
class Session {
 public:
  Session() {
    write_text(folder_.file("recipe.yaml"), R"(requests: 40
duration: 0 s
arrivals: {rate: 2}
plain: {}
)");
    if (const Ran ran = scsim("trace generate recipe.yaml -o small.pb"); ran.exit_code != 0)
      FAIL(ran.err);
  }

  Ran scsim(const std::string& arguments) const { return bash("scsim " + arguments); }

  Ran bash(const std::string& commands) const {
    return run("scsim() { '" SCSIM_PROGRAM "' \"$@\"; }\n" + commands, folder_.path());
  }

  std::string path(const std::string& name) const { return folder_.file(name); }

 private:
  TemporaryFolder folder_;
};

// The message is all of stderr, one line, and nothing is on stdout.
inline void check_refused(const Ran& ran, int exit_code, const std::string& message) {
  CHECK(ran.exit_code == exit_code);
  CHECK(ran.out.empty());
  CHECK_THAT(ran.err, Catch::StartsWith("scsim: ") && Catch::Contains(message));
  CHECK(ran.err.find('\n') == ran.err.size() - 1);
}

}  // namespace scsim::test
