// `scsim accuracy import table.csv --source "..." -o profile.pb`: an evaluation that somebody else
// made, as a profile that has accuracy and no costs.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <set>

#include "sim/main/commands.h"
#include "sim/main/trace_arguments.h"
#include "traces/csv_rows.h"
#include "traces/profile.h"
#include "traces/text.h"

namespace scsim::program {
namespace {

struct AccuracyArguments {
  std::string table, source, out;
};

// "capacity=1024;window=32" as pairs.
Expected<std::vector<std::pair<std::string, std::string>>> parameters_of(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> parameters;
  for (const std::string& part : split(text, ';')) {
    if (trim(part).empty()) continue;
    const std::size_t equals = part.find('=');
    if (equals == std::string::npos)
      return Error{"parameters: \"" + part + "\" is not name=value; separate them by ;"};
    parameters.emplace_back(trim(part.substr(0, equals)), trim(part.substr(equals + 1)));
  }
  return parameters;
}

Expected<void> add_row(const CsvRows& rows, const std::vector<std::size_t>& columns,
                       Profile& profile) {
  const auto field = [&](std::size_t i) { return std::string(trim(rows.field(columns[i]))); };
  const std::string model = field(0);
  CalibrationDesign& design = profile.design;
  if (design.model.name.empty()) design.model.name = model;
  if (design.model.name != model)
    return Error{"model: \"" + model + "\", but the table began with \"" + design.model.name +
                 "\"; accuracy belongs to one model: import each by itself"};
  CalibrationMethod method{.name = field(1), .preset = "", .parameters = {}};
  auto parameters = parameters_of(field(2));
  if (!parameters) return parameters.error();
  method.parameters = *std::move(parameters);
  auto at = std::ranges::find_if(design.methods, [&](const CalibrationMethod& known) {
    return known.name == method.name && known.parameters == method.parameters;
  });
  if (at == design.methods.end()) at = design.methods.insert(at, method);
  AccuracyCell cell;
  cell.method = static_cast<int>(at - design.methods.begin());
  cell.task = field(3);
  if (std::ranges::find(design.tasks, cell.task, &CalibrationTask::name) == design.tasks.end())
    design.tasks.push_back({cell.task, "", {}});
  const std::string mode = field(4);
  const auto known_mode = std::ranges::find(kSessionModeNames, mode);
  if (known_mode == kSessionModeNames.end()) {
    const std::vector<std::string> names(kSessionModeNames.begin(), kSessionModeNames.end());
    return Error{unknown_name("mode", mode, names)};
  }
  cell.mode = static_cast<SessionMode>(known_mode - kSessionModeNames.begin());
  const auto number = [&](std::size_t i, const char* name, double least,
                          double most) -> Expected<double> {
    const auto value = parse_double(field(i));
    if (!value || *value < least || *value > most)
      return Error{std::string(name) + ": \"" + field(i) + "\" is not a number from " +
                   format_shortest(least) + " to " + format_shortest(most)};
    return *value;
  };
  const auto turn = number(5, "turn", 1, 1000), length = number(6, "length", 1, 1e9),
             score = number(7, "score", 0, 1), n = number(8, "n", 1, 1e9);
  for (const auto* value : {&turn, &length, &score, &n})
    if (!*value) return value->error();
  cell.turn = static_cast<int>(*turn) - 1;
  cell.tokens = static_cast<std::int64_t>(*length);
  cell.sessions = static_cast<std::int64_t>(*n);
  cell.strict = cell.compat = *score;
  profile.accuracy.push_back(cell);
  return {};
}

ExitCode import_accuracy(const AccuracyArguments& arguments) {
  auto rows = CsvRows::open(arguments.table, true);
  if (!rows) return fail(rows.error());
  std::vector<std::size_t> columns;
  for (const char* name :
       {"model", "method", "parameters", "task", "mode", "turn", "length", "score", "n"}) {
    const auto column = rows->column(name);
    if (!column) return fail(column.error());
    columns.push_back(*column);
  }
  Profile profile;
  while (true) {
    const auto more = rows->next();
    if (!more) return fail(more.error());
    if (!*more) break;
    auto added = rows->check_row();
    if (added) added = add_row(*rows, columns, profile);
    if (!added)
      return fail(arguments.table + ":" + std::to_string(rows->line()) + ": " +
                  added.error().message);
  }
  if (profile.accuracy.empty()) return fail(arguments.table + ": it has no row below its header");
  std::set<std::int64_t> lengths;
  for (const AccuracyCell& cell : profile.accuracy) lengths.insert(cell.tokens);
  profile.design.lengths.assign(lengths.begin(), lengths.end());
  profile.sources.push_back({.path = arguments.table, .made_by = arguments.source, .commit = ""});
  profile.honesty.push_back("imported accuracy: " + arguments.source);
  const auto written =
      write_profile(arguments.out, profile, MadeBy("accuracy import").file(arguments.table).text());
  if (!written) return fail(written.error());
  std::printf("wrote %s: %s of %s, %s\n", arguments.out.c_str(),
              counted(profile.accuracy.size(), "row").c_str(), profile.design.model.name.c_str(),
              counted(profile.design.methods.size(), "method").c_str());
  return ExitCode::kOk;
}

}  // namespace

Command accuracy_import_command() {
  auto arguments = std::make_shared<AccuracyArguments>();
  return {.name = "accuracy import",
          .sentence = "an evaluation in a table, published or your own, as a profile of accuracy",
          .arguments = {{.name = "TABLE.csv",
                         .into = &arguments->table,
                         .sentence = "with columns model, method, parameters (name=value;...), "
                                     "task, mode, turn (from 1), length, score (0 to 1), n",
                         .required = true,
                         .completes = Completes::kFile},
                        {.name = "--source",
                         .value_name = "TEXT",
                         .into = &arguments->source,
                         .sentence = "who measured it and where it is to be read",
                         .required = true},
                        out_option(arguments->out, "the profile", true)},
          .run = [arguments] { return import_accuracy(*arguments); }};
}

}  // namespace scsim::program
