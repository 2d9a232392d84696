// Where real material for generated tasks is found on this machine. Nothing of it is part of the
// project: what is not there is an error that says what to install.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "traces/expected.h"

namespace scsim::exec {

struct Material {
  std::string data;    // evaluation data: folder with bbh/, babi/, code/, ...
  std::string python;  // the standard library of Python, e.g. /usr/lib/python3.11
  std::string cpp;     // the headers of the C++ standard library, e.g. /usr/include/c++/12
  std::string man;     // manual pages: /usr/share/man
  std::string man_pages_chinese;  // /usr/share/man/zh_CN

  // $SCSIM_DATA or ../shared/data beside the working folder or one above it; the newest Python and
  // g++ there are. Members whose folder does not exist are empty.
  static Material find();
};

}  // namespace scsim::exec
