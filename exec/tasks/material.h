// Where real material for generated tasks is found on this machine. Nothing of it is part of the
// project: what is not there is an error that says what to install.
#pragma once

#include <string>

namespace scsim::exec {

struct Material {
  std::string data;        // evaluation data: the folder with bbh/, babi/, ruler_like/
  std::string python;      // the standard library of Python: /usr/lib/python3.11
  std::string manual;      // manual pages in English: /usr/share/man
  std::string manual_chn;  // and in Chinese: /usr/share/man/zh_CN

  // Data: eval/ of $SCSIM_DATA, else of ../shared/data from the working folder. The newest Python
  // there is. A member whose folder does not exist is empty.
  static Material find();
};

}  // namespace scsim::exec
