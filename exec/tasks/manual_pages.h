// Manual pages as documents that carry their own one-line summary: the NAME section.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "exec/tasks/task.h"
#include "traces/rng.h"

namespace scsim::exec {

struct ManualPage {
  std::string name;     // "ls"
  std::string summary;  // "list directory contents"
  // The text without the NAME section, a line of the page or a sentence each; none is empty.
  std::vector<std::string> lines;
};

// From a page's source. Nothing where it is not understood whole enough to read: mdoc and
// preformatted pages, no "name - summary", fewer than 5 lines.
std::optional<ManualPage> parse_manual_page(std::string_view source);

struct PageContext {
  std::string text;
  std::vector<std::string> names, summaries;  // of the pages in it, in order
  std::vector<std::string> bodies;            // each page's part of the text
};

struct PageWishes {
  std::string task;
  std::string folder;  // holds man1/, man5/, ...; files plain or gzip
  std::size_t least_pages = 1;
  bool show_name = false;            // a page begins with its NAME line
  bool chinese = false;              // passes over pages that are not half translated
  std::vector<std::string> inserts;  // lines between pages, spread evenly
};

// Pages in random order until the context has its length; each is cut to about the same number of
// lines where whole ones would be too long.
Expected<PageContext> fill_with_pages(const PageWishes& wishes, const GenerateRequest& request,
                                      const CountTokens& count, Rng& rng);

}  // namespace scsim::exec
