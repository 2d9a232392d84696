// A page as a browser shows it, where there is one.
#pragma once

#include <catch2/catch.hpp>
#include <cstdlib>
#include <iostream>
#include <string>

#include "tests/support/temporary_folder.h"
#include "traces/files.h"

namespace scsim::test {

// Else the test has been skipped.
inline bool has_browser() {
  if (std::system("command -v chromium > /dev/null 2>&1") == 0) return true;
  std::cout << "SKIPPED: no chromium to look at the page" << std::endl;
  return false;
}

// What chromium prints of a page, as the page stands after its scripts, and its console.
inline std::string in_browser(const std::string& page) {
  const TemporaryFolder folder;
  REQUIRE(write_file(folder.file("page.html"), page));
  const std::string command =
      "chromium --headless --no-sandbox --disable-gpu --enable-logging=stderr "
      "--virtual-time-budget=5000 --user-data-dir='" +
      folder.file("profile") + "' --dump-dom 'file://" + folder.file("page.html") + "' > '" +
      folder.file("out") + "' 2>&1";
  REQUIRE(std::system(command.c_str()) == 0);
  const Expected<std::string> out = read_file(folder.file("out"));
  REQUIRE(out);
  return *out;
}

}  // namespace scsim::test
