// What an importer makes of a text, all of it in memory.
//
//   Imported trace = import_text("mooncake", R"({"timestamp": 0, ...)");
//   REQUIRE(trace.requests.size() == 2);
#pragma once

#include <map>
#include <string>
#include <vector>

#include "traces/trace.h"
#include "traces/trace_format.h"

namespace scsim::test {

struct ContentText {
  std::string role, text;
};

struct Imported {
  std::string error;    // of the import; everything else is empty then
  ImportReport report;  // the folder of import_text is left out of its messages
  TraceHeader header;
  TraceTables tables;
  std::vector<Request> requests;
  std::vector<Tokens> contents;                // lengths, by id
  std::map<std::uint64_t, ContentText> texts;  // by id of content
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

// The same, with the option `mapping` naming a file mapping.yaml.
Imported import_mapped(const std::string& format, const std::map<std::string, std::string>& files,
                       const std::string& mapping, Options options);

// "0:0+512 3:512+100": content, first token and count of each span of the prompt.
std::string spans(const Request& request);

}  // namespace scsim::test
