#include "tests/support/shell.h"

#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/support/temporary_folder.h"

namespace scsim::test {

Ran run(const std::string& commands, const std::string& folder) {
  TemporaryFolder files;
  write_text(files.file("commands"), "cd '" + folder + "' || exit 99\n" + commands + "\n");
  const std::string line = "bash '" + files.file("commands") + "' < /dev/null > '" +
                           files.file("out") + "' 2> '" + files.file("err") + "'";
  const int status = std::system(line.c_str());
  return {.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
          .out = content_of(files.file("out")),
          .err = content_of(files.file("err"))};
}

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  INFO(path);
  REQUIRE(file.good());
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

void write_text(const std::string& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary);
  file << content;
  REQUIRE(file.good());
}

}  // namespace scsim::test
