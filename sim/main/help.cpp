#include <algorithm>
#include <cstdio>
#include <memory>

#include "sim/main/columns.h"
#include "sim/main/command_line.h"
#include "sim/main/commands.h"
#include "sim/main/topics.h"
#include "traces/text.h"

namespace scsim::program {
namespace {

// "scsim help", "scsim help formats", "scsim help trace import"
ExitCode help(const std::vector<std::string>& words) {
  std::string name;
  for (const std::string& word : words) name += (name.empty() ? "" : " ") + word;
  if (is_command(all_commands(), name)) {
    std::fputs(help_text(all_commands(), name).c_str(), stdout);
    return ExitCode::kOk;
  }
  const auto topic = std::ranges::find(topics(), name, &Topic::name);
  if (topic != topics().end()) {
    std::fputs(topic->text().c_str(), stdout);
    return ExitCode::kOk;
  }
  std::vector<std::string> known;
  for (const Topic& each : topics()) known.push_back(each.name);
  for (const Command& command : all_commands()) {
    if (!command.name.empty()) known.push_back(command.name);
  }
  return fail(unknown_name("topic", name, known), ExitCode::kUsageError);
}

}  // namespace

Command help_command() {
  auto words = std::make_shared<std::vector<std::string>>();
  std::vector<std::string> names;
  std::vector<Row> rows;
  for (const Topic& topic : topics()) {
    names.push_back(topic.name);
    rows.emplace_back(topic.name, topic.sentence);
  }
  return {
      .name = "help",
      .sentence = "print what can be chosen: formats, engines, models, keys of cluster.yaml, ...",
      .arguments = {{.name = "TOPIC",
                     .into = words.get(),
                     .sentence = "a topic, or a command",
                     .offers = std::move(names)}},
      .run = [words] { return help(*words); },
      .details = "topics:\n" + two_columns(rows)};
}

}  // namespace scsim::program
