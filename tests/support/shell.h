// Programs as a user runs them.
//
//   TemporaryFolder folder;
//   Ran ran = run("scsim --trace missing.pb", folder.path());
//   CHECK(ran.exit_code == 1);
#pragma once

#include <string>

namespace scsim::test {

struct Ran {
  int exit_code = 0;  // 128 + signal where one ended it
  std::string out, err;
};

// Runs bash `commands` in `folder`, with nothing on stdin.
Ran run(const std::string& commands, const std::string& folder);

// Text of a file; fails the test where there is none.
std::string content_of(const std::string& path);
void write_text(const std::string& path, const std::string& content);

}  // namespace scsim::test
