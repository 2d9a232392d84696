#include "analysis/cache_report.h"
#include "analysis/chart_json.h"
#include "analysis/html_assets.h"
#include "traces/report/html_elements.h"
#include "traces/text.h"

namespace scsim::analysis {
namespace {

double ratio(std::int64_t part, std::int64_t all) {
  return all == 0 ? 0 : static_cast<double>(part) / static_cast<double>(all);
}

// Of one line or set of points: "capacity" and the two ratios.
class Points {
 public:
  explicit Points(const CacheStudy& study) : study_(study) {}
  void add(std::int64_t capacity, const CacheHits& hits) {
    capacities_.push_back(static_cast<double>(capacity));
    blocks_.push_back(ratio(hits.blocks, study_.total.blocks));
    tokens_.push_back(ratio(hits.tokens, study_.total.tokens));
  }
  std::string json(const std::string& name) const {
    return object({member("name", json_quote(name)), member("capacity", numbers(capacities_)),
                   member("blocks", numbers(blocks_)), member("tokens", numbers(tokens_))});
  }

 private:
  const CacheStudy& study_;
  std::vector<double> capacities_, blocks_, tokens_;
};

std::string chart_data(const CacheStudy& study) {
  Points line(study);
  for (const CachePoint& point : study.lru) line.add(point.capacity_blocks, point.hits);
  std::vector<std::string> policies;
  for (std::size_t i = 0; i < study.rows.size();) {
    const CacheRow& first = study.rows[i];
    Points points(study);
    for (; i < study.rows.size() && study.rows[i].policy == first.policy; ++i)
      points.add(study.rows[i].capacity_blocks, study.rows[i].hits);
    if (first.policy == "lru" && !study.flat) continue;  // on the line
    policies.push_back(points.json(first.policy + (first.oracle ? " (oracle)" : "") +
                                   (study.flat ? ", flat" : "")));
  }
  const std::string ideal =
      object({member("blocks", format_shortest(ratio(study.ideal.blocks, study.total.blocks))),
              member("tokens", format_shortest(ratio(study.ideal.tokens, study.total.tokens)))});
  return object(
      {member("cache", object({member("lru", line.json(study.flat ? "lru, leaves first" : "lru")),
                               member("policies", array(policies)), member("ideal", ideal)}))});
}

std::string cards(const CacheStudy& study) {
  const auto share = [](std::int64_t part, std::int64_t all) {
    return format_percent(ratio(part, all));
  };
  return element(
      "div",
      card("Requests", format_integer(study.requests),
           format_integer(study.total.tokens) + " prompt tokens") +
          card("Blocks asked for", format_integer(study.total.blocks),
               "of " + format_integer(study.block_tokens) + " tokens") +
          card("Different blocks", format_integer(study.unique_blocks), "hold all there is") +
          card("Ideal, blocks", share(study.ideal.blocks, study.total.blocks),
               format_integer(study.ideal.blocks) + " found without limit") +
          card("Ideal, tokens", share(study.ideal.tokens, study.total.tokens),
               format_integer(study.ideal.tokens) + " found without limit"),
      "cards");
}

std::string table(const CacheStudy& study) {
  HtmlTable table({"policy", "capacity, blocks", "hit blocks", "block hit ratio", "hit tokens",
                   "token hit ratio", "of ideal", "gap closed"});
  const auto percent = [](double share) { return format_fixed(100 * share, 2) + " %"; };
  for (const CacheRow* row : by_capacity(study)) {
    const auto gap = gap_closed(study, *row);
    table.add(
        {row->policy + (row->oracle ? " (oracle)" : ""), format_integer(row->capacity_blocks),
         format_integer(row->hits.blocks), percent(ratio(row->hits.blocks, study.total.blocks)),
         format_integer(row->hits.tokens), percent(ratio(row->hits.tokens, study.total.tokens)),
         percent(ratio(row->hits.blocks, study.ideal.blocks)), gap ? percent(*gap) : "–"});
  }
  return table.html();
}

std::string definitions_of(const CacheStudy& study) {
  std::string text;
  for (const std::string& definition : definitions(study)) {
    const std::size_t colon = definition.find(": ");
    text += element("dt", escaped(definition.substr(0, colon))) +
            element("dd", escaped(definition.substr(colon + 2)));
  }
  return element("dl", text);
}

}  // namespace

std::string cache_html(const CacheStudy& study) {
  const std::string title = study.header.name.empty() ? study.trace : study.header.name;
  std::string content =
      element("header", element("h1", escaped(title)) +
                            element("p", "what a KV cache finds, by eviction policy and capacity"));
  if (!study.honesty.empty()) {
    std::string items;
    for (const std::string& line : study.honesty) items += element("li", escaped(line));
    content += element("aside", element("b", "What these numbers rest on") + element("ul", items));
  }
  content += cards(study);
  content += section("Hit ratio by capacity",
                     figures(chart("cache_blocks", "Block hit ratio", "lru at every capacity") +
                             chart("cache_tokens", "Token hit ratio", "lru at every capacity")));
  content += section("Policies", table(study));
  content += section("Definitions", definitions_of(study));
  std::string about = element("dt", "trace") + element("dd", escaped(study.trace));
  if (!study.header.made_by.empty())
    about += element("dt", "trace made by") + element("dd", escaped(study.header.made_by));
  if (!study.header.notes.empty())
    about += element("dt", "notes of the trace") + element("dd", escaped(study.header.notes));
  content += section("This study", element("dl", about));
  return html_page(title, content, chart_data(study), {cache_js()});
}

}  // namespace scsim::analysis
