#include <algorithm>
#include <cstdio>
#include <memory>

#include "traces/program/columns.h"
#include "traces/program/command_line.h"
#include "traces/program/topics.h"
#include "traces/text.h"

namespace scsim::program {
namespace {

// "scsim help", "scsim help formats", "scsim help trace import"
ExitCode help(const std::vector<std::string>& words, const std::vector<Topic>& topics) {
  std::string name;
  for (const std::string& word : words) name += (name.empty() ? "" : " ") + word;
  if (is_command(name)) {
    std::fputs(help_text(name).c_str(), stdout);
    return ExitCode::kOk;
  }
  const auto topic = std::ranges::find(topics, name, &Topic::name);
  if (topic != topics.end()) {
    std::fputs(topic->text().c_str(), stdout);
    return ExitCode::kOk;
  }
  std::vector<std::string> known;
  for (const Topic& each : topics) known.push_back(each.name);
  for (const Command& command : this_program().commands) {
    if (!command.name.empty()) known.push_back(command.name);
  }
  return fail(unknown_name("topic", name, known), ExitCode::kUsageError);
}

}  // namespace

Command help_command(std::string sentence, const std::vector<Topic>& topics) {
  auto words = std::make_shared<std::vector<std::string>>();
  std::vector<std::string> names;
  std::vector<Row> rows;
  for (const Topic& topic : topics) {
    names.push_back(topic.name);
    rows.emplace_back(topic.name, topic.sentence);
  }
  return {.name = "help",
          .sentence = std::move(sentence),
          .arguments = {{.name = "TOPIC",
                         .into = words.get(),
                         .sentence = "a topic, or a command",
                         .offers = std::move(names)}},
          .run = [words, &topics] { return help(*words, topics); },
          .details = "topics:\n" + two_columns(rows)};
}

}  // namespace scsim::program
