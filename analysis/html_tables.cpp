#include "analysis/html_tables.h"

#include "traces/report/html_elements.h"
#include "traces/text.h"

namespace scsim::analysis {

std::string lifetime_table(const std::vector<LifetimeSummary>& lifetimes) {
  HtmlTable table({"blocks that were", "blocks", "mean life", "p50", "p90"});
  for (const LifetimeSummary& life : lifetimes) {
    if (life.blocks == 0) {
      table.add({reason_text(life.reason), "0", "–", "–", "–"});
      continue;
    }
    table.add({reason_text(life.reason), format_integer(static_cast<std::int64_t>(life.blocks)),
               format_seconds(life.mean), format_seconds(life.p50), format_seconds(life.p90)});
  }
  return table.html();
}

std::string rows_left_out(std::size_t all) {
  if (all <= kTableRows) return "";
  return element("p", "The table shows the first " + format_integer(kTableRows) + " of " +
                          format_integer(static_cast<std::int64_t>(all)) +
                          " rows; summary.json has them all.");
}

}  // namespace scsim::analysis
