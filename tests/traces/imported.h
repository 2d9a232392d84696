// What an importer makes of a text, all of it in memory.
//
//   Imported trace = import_text("mooncake", R"({"timestamp": 0, ...)");
//   REQUIRE(trace.requests.size() == 2);
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/support/trace_files.h"
#include "traces/trace.h"
#include "traces/trace_format.h"

namespace scsim::test {

struct Imported : LoadedTrace {
  std::string error;    // of the import; everything else is empty then
  ImportReport report;  // the folder of the files is left out of its messages

  // The text of a content, "" where the trace carries none.
  std::string text(ContentId content) const;
};

using Options = std::map<std::string, std::string>;

Imported import_files(const std::string& format, const std::vector<std::string>& paths,
                      const Options& options = {}, bool strict = false);
// A file of this name and text; messages say "log" or what the name is.
Imported import_text(const std::string& format, const std::string& text,
                     const Options& options = {}, bool strict = false,
                     const std::string& name = "log");
// Several files, by name; all of them are given to the importer, in order of name.
Imported import_texts(const std::string& format, const std::map<std::string, std::string>& files,
                      const Options& options = {}, bool strict = false);

// The files are in a folder "tree", of which the importer gets the name.
Imported import_tree(const std::string& format, const std::map<std::string, std::string>& files,
                     const Options& options = {}, bool strict = false);

// "0:0+512 3:512+100": content, first token and count of each span of the prompt.
std::string spans(const Request& request);

}  // namespace scsim::test
