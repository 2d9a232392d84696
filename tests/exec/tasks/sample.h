// What tests of tasks share: a token counter, laws that hold of every generated session, and a
// little material of their own.
#pragma once

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "exec/tasks/material.h"
#include "exec/tasks/prompt.h"
#include "exec/tasks/task.h"
#include "tests/support/temporary_folder.h"

namespace scsim::exec::test {

// A token is a run of up to 4 letters or digits, or any other byte.
inline std::int64_t count_tokens(std::string_view text) {
  std::int64_t tokens = 0, run = 0;
  for (const char c : text) {
    const bool word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!word || run == 0) ++tokens;
    run = word ? (run + 1) % 4 : 0;
  }
  return tokens;
}

inline TaskEntry task(std::string_view name) {
  Expected<TaskEntry> found = find_task(name);
  REQUIRE(found);
  return *found;
}

// Real evaluation data, or nothing: it has printed SKIPPED.
inline std::optional<Material> data_material() {
  const char* given = std::getenv("SCSIM_DATA");
  Material material;
  material.data = (given ? given : std::string(SCSIM_SOURCE_DIR) + "/../shared/data");
  material.data += "/eval";
  if (std::filesystem::exists(material.data)) return material;
  std::cout << "SKIPPED: no " << material.data << std::endl;
  return std::nullopt;
}

// Pages and modules of our own, enough for contexts of some 2,000 tokens.
inline std::string manual_page(int i, bool chinese) {
  const std::string n = std::to_string(i);
  std::string page = ".\\\" a page\n.TH TOOL" + n + " 1\n.SH " + (chinese ? "名称" : "NAME") +
                     "\ntool" + n + " \\- " +
                     (chinese ? "整理第" + n + "号文件" : "sort the papers of drawer " + n) +
                     "\n.SH DESCRIPTION\n";
  for (int line = 0; line < 30; ++line) {
    page += ".B tool" + n + "\n";
    page += chinese ? "读取第\\fI" + std::to_string(line) + "\\fP行。然后继续。\n"
                    : "reads line \\fI" + std::to_string(line) + "\\fR and goes on.\n";
  }
  return page;
}

inline std::string python_module(int i) {
  std::string source = "import os\n\n";
  for (int f = 0; f < 12; ++f) {
    const std::string n = std::to_string(100 * i + f);
    source += "def compute_" + n + "(value):\n    \"\"\"Add the number " + n +
              " to a value and double what comes out.\n\n    More of it.\n    \"\"\"\n" +
              "    total = value + " + n + "\n    return total * 2\n\n\n";
  }
  return source;
}

class SampleMaterial {
 public:
  SampleMaterial() {
    material_.manual = folder_.file("man");
    material_.manual_chn = folder_.file("man_chn");
    material_.python = folder_.file("python");
    for (int i = 0; i < 12; ++i) {
      write("man/man1/tool" + std::to_string(i) + ".1", manual_page(i, false));
      write("man_chn/man8/tool" + std::to_string(i) + ".8", manual_page(i, true));
      write("python/module" + std::to_string(i) + ".py", python_module(i));
    }
  }
  const Material& material() const { return material_; }

 private:
  void write(const std::string& name, const std::string& content);
  scsim::test::TemporaryFolder folder_;
  Material material_;
};

// Laws of every task: length, turns, limits, provenance, the same bytes twice, other bytes for
// another session, evidence where it should be, prompts that can be made of it, and what survives
// truncation. Returns the session for what is the task's own.
TaskSession check_laws(const TaskEntry& task, const Material& material,
                       const GenerateRequest& request);

}  // namespace scsim::exec::test
