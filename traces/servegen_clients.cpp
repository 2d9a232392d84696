#include "traces/servegen_clients.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "traces/file_tree.h"
#include "traces/json_rows.h"
#include "traces/log_import.h"
#include "traces/text.h"

namespace scsim {
namespace {

using Bin = ServeGenClient::Bin;
using Window = ServeGenClient::Window;

constexpr std::string_view kBinsSuffix = "-trace.csv";
constexpr std::string_view kTablesSuffix = "-dataset.json";
constexpr double kLastBinSeconds = 600;  // where no next bin says how long it is

Expected<Bin> parse_bin(std::string_view line) {
  const std::vector<std::string> fields = split(line, ',');
  if (fields.size() != 6) {
    return Error{std::to_string(fields.size()) +
                 " fields; expected 6: start, rate, cv, distribution, shape, scale"};
  }
  Expected<double> start = parse_double(trim(fields[0]));
  Expected<double> rate = parse_double(trim(fields[1]));
  if (!start || !rate || *start < 0 || !(*rate >= 0 && *rate < 1e9)) {
    return Error{"expected a start and a rate of at least 0, found \"" + fields[0] + "\" and \"" +
                 fields[1] + "\""};
  }
  Bin bin;
  bin.start_s = *start;
  bin.rate = *rate;
  if (bin.rate == 0) return bin;
  const std::string_view distribution = trim(fields[3]);
  const std::vector<std::string> known = {"Gamma", "Weibull"};
  if (std::ranges::find(known, distribution) == known.end()) {
    return Error{unknown_name("distribution", distribution, known)};
  }
  bin.weibull = distribution == "Weibull";
  Expected<double> shape = parse_double(trim(fields[4]));
  if (!shape || !(*shape > 1e-3 && *shape < 1e3)) {
    return Error{"shape: expected a number from 0.001 to 1,000, found \"" + fields[4] + "\""};
  }
  bin.shape = *shape;
  return bin;
}

Expected<std::vector<Bin>> parse_bins(const std::string& path, const std::string& text, bool strict,
                                      ImportReport& report) {
  std::vector<Bin> bins;
  std::int64_t line_number = 0;
  for (const std::string& line : split(text, '\n')) {
    ++line_number;
    if (trim(line).empty()) continue;
    ++report.rows;
    Expected<Bin> bin = parse_bin(line);
    if (bin && !bins.empty() && bin->start_s <= bins.back().start_s) {
      bin = Error{"begins before the bin above it has begun"};
    }
    if (bin) {
      bins.push_back(*bin);
    } else if (Expected<void> ok =
                   reject_row(report, strict, path, line_number, bin.error().message);
               !ok) {
      return ok.error();
    }
  }
  for (std::size_t i = 0; i < bins.size(); ++i) {
    bins[i].end_s = i + 1 < bins.size() ? bins[i + 1].start_s : bins[i].start_s + kLastBinSeconds;
  }
  return bins;
}

// The table under a key, empty where there is none.
Expected<LengthTable> parse_table(const JsonValue& window, std::string_view key) {
  std::optional<JsonValue> table = window.find(key);
  if (!table) return LengthTable();
  Expected<LengthTable> parsed = LengthTable::parse(table->string().value_or(table->describe()));
  if (!parsed) return Error{std::string(key) + ": " + parsed.error().message};
  return parsed;
}

Expected<Window> parse_window(std::string_view start, const JsonValue& tables) {
  Window window;
  Expected<double> start_s = parse_double(start);
  if (!start_s) return start_s.error();
  window.start_s = *start_s;
  const bool mixed = tables.find("text_tokens").has_value();
  if (!mixed && !tables.find("input_tokens")) return required_field(tables, "input_tokens").error();
  Expected<LengthTable> prompt = parse_table(tables, mixed ? "text_tokens" : "input_tokens");
  if (!prompt) return prompt.error();
  Expected<LengthTable> output = parse_table(tables, "output_tokens");
  if (!output) return output.error();
  window.prompt = std::move(*prompt);
  window.output = std::move(*output);
  for (std::string_view kind : {"image", "audio", "video"}) {
    Expected<LengthTable> count = parse_table(tables, std::string(kind) + "_count");
    if (!count) return count.error();
    Expected<LengthTable> tokens = parse_table(tables, std::string(kind) + "_tokens");
    if (!tokens) return tokens.error();
    if (count->largest() == 0 || tokens->largest() == 0) continue;
    window.parts.push_back({std::move(*count), std::move(*tokens)});
  }
  return window;
}

Expected<std::vector<Window>> parse_windows(const std::string& text) {
  JsonText json;
  Expected<JsonValue> root = json.parse(text);
  if (!root) return root.error();
  std::vector<Window> windows;
  for (const auto& [start, tables] : root->members()) {
    Expected<Window> window = parse_window(start, tables);
    if (!window) return Error{"window " + std::string(start) + ": " + window.error().message};
    windows.push_back(std::move(*window));
  }
  std::ranges::sort(windows, {}, &Window::start_s);
  if (windows.empty()) return Error{"no windows"};
  return windows;
}

}  // namespace

Expected<LengthTable> LengthTable::parse(std::string_view text) {
  const auto wrong = [&] {
    return Error{"expected {length: probability, ...}, found \"" + std::string(text.substr(0, 40)) +
                 "\""};
  };
  std::string_view rest = trim(text);
  if (rest.size() < 2 || rest.front() != '{' || rest.back() != '}') return wrong();
  rest = trim(rest.substr(1, rest.size() - 2));
  std::map<std::int64_t, double> entries;
  while (!rest.empty()) {
    const std::string_view entry = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(entry.size() + 1, rest.size()));
    const std::size_t colon = std::min(entry.find(':'), entry.size());
    Expected<std::int64_t> value = parse_integer(trim(entry.substr(0, colon)));
    Expected<double> probability =
        parse_double(trim(entry.substr(std::min(colon + 1, entry.size()))));
    if (!value || *value < 0 || *value > kMostTokens.value() || !probability ||
        !(*probability >= 0 && *probability <= 1)) {
      return wrong();
    }
    if (*probability > 0) entries[*value] += *probability;
  }
  LengthTable table;
  double sum = 0;
  for (const auto& [value, probability] : entries) {
    sum += probability;
    table.values_.push_back(value);
    table.cumulative_.push_back(sum);
  }
  return table;
}

std::int64_t LengthTable::draw(Rng& rng) const {
  const double at = rng.uniform() * cumulative_.back();
  const auto found = std::ranges::upper_bound(cumulative_, at);
  const auto index = std::min<std::ptrdiff_t>(found - cumulative_.begin(), std::ssize(values_) - 1);
  return values_[static_cast<std::size_t>(index)];
}

double ServeGenClient::requests_in(double start_s, double end_s) const {
  double sum = 0;
  for (const Bin& bin : bins) {
    const double seconds = std::min(end_s, bin.end_s) - std::max(start_s, bin.start_s);
    if (seconds > 0) sum += seconds * bin.rate;
  }
  return sum;
}

Expected<std::vector<ServeGenClient>> read_servegen_clients(const std::string& path, bool strict,
                                                            ImportReport& report) {
  Expected<std::map<std::string, std::string>> files =
      read_file_tree(path, [](std::string_view name) {
        return name.ends_with(kBinsSuffix) || name.ends_with(kTablesSuffix);
      });
  if (!files) return files.error();

  using Key = std::tuple<std::string, std::size_t, std::string>;  // chunk-2 before chunk-10
  std::map<Key, ServeGenClient> clients;
  for (const auto& [name, text] : *files) {
    if (!name.ends_with(kBinsSuffix)) continue;
    const std::string stem = name.substr(0, name.size() - kBinsSuffix.size());
    const std::string where = path + "/" + name;
    const auto tables = files->find(stem + std::string(kTablesSuffix));
    if (tables == files->end())
      return Error{where + ": no " + stem + std::string(kTablesSuffix) + " beside it"};
    Expected<std::vector<Bin>> bins = parse_bins(where, text, strict, report);
    if (!bins) return bins.error();
    Expected<std::vector<Window>> windows = parse_windows(tables->second);
    if (!windows) return Error{path + "/" + tables->first + ": " + windows.error().message};

    const std::vector<std::string> parts = split(stem, '/');
    ServeGenClient client;
    client.model = parts.size() > 1 ? parts[parts.size() - 2] : "default";
    client.name = client.model + "/" + parts.back();
    client.bins = std::move(*bins);
    client.windows = std::move(*windows);
    Key key(client.model, stem.size(), stem);
    clients.emplace(std::move(key), std::move(client));
  }
  if (clients.empty()) return Error{path + ": no files *" + std::string(kBinsSuffix) + " in it"};
  std::vector<ServeGenClient> out;
  for (auto& [key, client] : clients) out.push_back(std::move(client));
  return out;
}

}  // namespace scsim
