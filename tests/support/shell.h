// Programs as a user runs them, and folders that are gone when the test is.
//
//   TemporaryFolder folder;
//   Ran ran = run("scsim --trace missing.pb", folder.path());
//   CHECK(ran.exit_code == 1);
#pragma once

#include <string>

namespace scsim::test {

class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

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
