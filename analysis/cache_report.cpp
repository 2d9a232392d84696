#include "analysis/cache_report.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "analysis/outputs.h"
#include "traces/files.h"
#include "traces/report/text_table.h"
#include "traces/text.h"

namespace scsim::analysis {
namespace {

using Json = nlohmann::ordered_json;

double ratio(std::int64_t part, std::int64_t all) {
  return all == 0 ? 0 : static_cast<double>(part) / static_cast<double>(all);
}

std::string percent(std::int64_t part, std::int64_t all) {
  return format_fixed(100 * ratio(part, all), 2) + " %";
}

// What LRU finds at this capacity, under the study's rules.
std::optional<CacheHits> lru_hits(const CacheStudy& study, std::int64_t capacity) {
  for (const CacheRow& row : study.rows) {
    if (row.policy == "lru" && row.capacity_blocks == capacity) return row.hits;
  }
  if (study.flat) return std::nullopt;  // the curve is of leaves first
  for (const CachePoint& point : study.lru) {
    if (point.capacity_blocks == capacity) return point.hits;
  }
  if (capacity >= study.unique_blocks) return study.ideal;
  return std::nullopt;
}

std::string block_ratio_definition(const CacheStudy& study) {
  std::string text = "block hit ratio: blocks found / blocks asked for, requests in file order; ";
  text +=
      study.flat
          ? "found is every block of a prompt that is there when its turn comes, first to last, "
            "holes before it or not"
          : "found are the leading blocks of a prompt, without holes, that are there before the "
            "request touches anything; leaves of the prefix tree are evicted first";
  text += "; a block is " + format_integer(study.block_tokens) +
          " tokens, the partly filled one that ends a prompt " +
          (study.tail ? "counts as one" : "does not count and is not kept");
  if (study.outputs) text += "; answers are kept behind their prompts";
  if (study.isolate_tenants) text += "; tenants share nothing";
  return text;
}

std::string token_ratio_definition(const CacheStudy& study) {
  return "token hit ratio: tokens in the blocks found / prompt tokens" +
         std::string(study.tail ? "" : ", those outside of full blocks included");
}

std::string ideal_definition(const CacheStudy& study) {
  return "ideal: what an unlimited cache finds; " + format_integer(study.unique_blocks) +
         " blocks hold all there is";
}

constexpr char kGapDefinition[] =
    "gap closed: (hit blocks - those of lru) / (those of belady - those of lru), at one capacity";
constexpr char kOracleDefinition[] =
    "oracle: knows the future, as no real cache can; the others do not";

}  // namespace

std::vector<std::string> definitions(const CacheStudy& study) {
  std::vector<std::string> all = {block_ratio_definition(study), token_ratio_definition(study),
                                  ideal_definition(study)};
  if (std::ranges::any_of(study.rows,
                          [&](const CacheRow& row) { return gap_closed(study, row).has_value(); }))
    all.push_back(kGapDefinition);
  if (std::ranges::any_of(study.rows, &CacheRow::oracle)) all.push_back(kOracleDefinition);
  return all;
}

std::optional<double> gap_closed(const CacheStudy& study, const CacheRow& row) {
  const auto lru = lru_hits(study, row.capacity_blocks);
  if (!lru) return std::nullopt;
  for (const CacheRow& best : study.rows) {
    if (best.policy != "belady" || best.capacity_blocks != row.capacity_blocks) continue;
    if (best.hits.blocks <= lru->blocks) return std::nullopt;
    return static_cast<double>(row.hits.blocks - lru->blocks) /
           static_cast<double>(best.hits.blocks - lru->blocks);
  }
  return std::nullopt;
}

std::vector<const CacheRow*> by_capacity(const CacheStudy& study) {
  std::vector<const CacheRow*> rows;
  for (const CacheRow& row : study.rows) rows.push_back(&row);
  std::ranges::stable_sort(rows, {}, &CacheRow::capacity_blocks);
  return rows;
}

std::string cache_text(const CacheStudy& study) {
  std::string text = wrapped("", (study.header.name.empty() ? study.trace : study.header.name) +
                                     ": " + format_integer(study.requests) + " requests ask for " +
                                     format_integer(study.total.blocks) + " blocks of " +
                                     format_integer(study.block_tokens) + " tokens, " +
                                     format_integer(study.unique_blocks) + " of them different; " +
                                     format_integer(study.total.tokens) + " tokens");
  for (const std::string& line : study.honesty) text += wrapped("! ", line);
  const bool gaps = std::ranges::any_of(
      study.rows, [&](const CacheRow& row) { return gap_closed(study, row).has_value(); });

  std::vector<std::string> header = {"capacity, blocks", "policy",     "hit blocks",
                                     "block ratio",      "hit tokens", "token ratio"};
  if (gaps) header.push_back("gap closed");
  TextTable table(header);
  const auto add = [&](const std::string& capacity, const std::string& policy,
                       const CacheHits& hits, const std::string& gap) {
    std::vector<std::string> cells = {capacity,
                                      policy,
                                      format_integer(hits.blocks),
                                      percent(hits.blocks, study.total.blocks),
                                      format_integer(hits.tokens),
                                      percent(hits.tokens, study.total.tokens)};
    if (gaps) cells.push_back(gap);
    table.add(cells);
  };
  for (const CacheRow* row : by_capacity(study)) {
    const auto gap = gap_closed(study, *row);
    add(row->policy + (row->oracle ? " (oracle)" : ""), format_integer(row->capacity_blocks),
        row->hits, gap ? format_fixed(100 * *gap, 1) + " %" : "-");
  }
  add("ideal", "unlimited", study.ideal, "-");
  text += "\n" + table.text(0) + "\n";
  for (const std::string& definition : definitions(study)) text += wrapped("", definition);
  return text;
}

std::string cache_json(const CacheStudy& study) {
  Json rows = Json::array();
  for (const CacheRow& row : study.rows) {
    Json each = {{"policy", row.policy},
                 {"capacity_blocks", row.capacity_blocks},
                 {"hit_blocks", row.hits.blocks},
                 {"total_blocks", study.total.blocks},
                 {"hit_tokens", row.hits.tokens},
                 {"total_tokens", study.total.tokens},
                 {"evict", study.flat ? "flat" : "tree"},
                 {"tail", study.tail ? "in" : "out"},
                 {"outputs", study.outputs},
                 {"isolate_tenants", study.isolate_tenants},
                 {"oracle", row.oracle}};
    if (const auto gap = gap_closed(study, row)) each["gap_closed"] = *gap;
    rows.push_back(std::move(each));
  }
  const Json json = {
      {"trace", study.trace},
      {"block_tokens", study.block_tokens},
      {"results", rows},
      {"requests", study.requests},
      {"unique_blocks", study.unique_blocks},
      {"ideal", {{"hit_blocks", study.ideal.blocks}, {"hit_tokens", study.ideal.tokens}}},
      {"definitions", definitions(study)},
      {"honesty", study.honesty}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string cache_curve_csv(const CacheStudy& study) {
  std::string csv = "capacity_blocks,hit_blocks,hit_ratio,hit_tokens,token_hit_ratio\n";
  for (const CachePoint& point : study.lru) {
    csv += std::to_string(point.capacity_blocks) + "," + std::to_string(point.hits.blocks) + "," +
           format_shortest(ratio(point.hits.blocks, study.total.blocks)) + "," +
           std::to_string(point.hits.tokens) + "," +
           format_shortest(ratio(point.hits.tokens, study.total.tokens)) + "\n";
  }
  return csv;
}

Expected<std::vector<std::string>> write_cache_outputs(const CacheStudy& study,
                                                       const std::string& directory) {
  if (const auto made = make_directory(directory); !made) return made.error();
  std::vector<std::string> paths;
  const auto write = [&](const char* name, const std::string& content) {
    return write_file(paths.emplace_back((std::filesystem::path(directory) / name).string()),
                      content);
  };
  if (const auto done = write("cache.json", cache_json(study)); !done) return done.error();
  if (const auto done = write("curve.csv", cache_curve_csv(study)); !done) return done.error();
  if (const auto done = write("report.html", cache_html(study)); !done) return done.error();
  return paths;
}

}  // namespace scsim::analysis
