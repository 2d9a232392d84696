// scexec search-patterns: MInference's offline search, for any model, into the JSON file that
// `minference:patterns=FILE` and the published code read.
#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <utility>

#include "exec/main/commands.h"
#include "exec/main/model_arguments.h"
#include "exec/session/encode_session.h"
#include "exec/session/session_source.h"
#include "methods/minference/search.h"
#include "traces/files.h"
#include "traces/hash.h"
#include "traces/program/terminal.h"
#include "traces/report/text_table.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

using methods::HeadPatterns;
using methods::PatternKind;
using methods::PatternSearch;
using methods::SearchCriterion;
using program::Command;
using program::ExitCode;
using program::fail;

constexpr std::int64_t kPublishedLength = 30'000;  // of the prompt that the published search used

const std::vector<std::string>& criteria() {
  static const std::vector<std::string> names = {"recall", "output"};
  return names;
}

struct Arguments {
  ModelArguments model;
  std::string out, data, task = "kv", criterion = "recall";
  std::optional<std::int64_t> length, seed, first_row;
  bool as_published = false;
};

Expected<std::vector<std::int32_t>> tokens_of_task(const Arguments& arguments,
                                                   const LoadedModel& model) {
  const Expected<TaskEntry> task = find_task(arguments.task);
  if (!task) return task.error();
  const std::int64_t most = model.model->config().max_positions;
  const std::int64_t length =
      arguments.length.value_or(std::min(kPublishedLength, most - most / 16));
  const SessionDesign design{.tasks = {task->name},
                             .published = {},
                             .turns = 1,
                             .sessions = 1,
                             .seed = static_cast<std::uint64_t>(arguments.seed.value_or(1)),
                             .style = model.chat ? PromptStyle::kReleased : PromptStyle::kPlain,
                             .golden_answers = true,
                             .most_new_tokens = 0};
  const auto source = SessionSource::make(design, [&](std::string_view text) {
    return std::ssize(model.tokenizer.encode(text, SpecialTokens::kAsText));
  });
  if (!source) return source.error();
  const Expected<TaskSession> session = source->get(task->name, length, 0);
  if (!session) return session.error();
  const Expected<EncodedSession> encoded =
      source->encode(*session, model.tokenizer, model.chat ? &*model.chat : nullptr,
                     SessionMode::kMultiTurn, length, most);
  if (!encoded) return encoded.error();
  return encoded->tokens.turns.front().prompt;
}

Expected<std::vector<std::int32_t>> tokens_of_file(const Arguments& arguments,
                                                   const LoadedModel& model) {
  const Expected<std::string> text = read_file(arguments.data);
  if (!text) return text.error();
  std::vector<std::int32_t> tokens = model.tokenizer.encode(*text, SpecialTokens::kAsText);
  const std::int64_t most =
      std::min(arguments.length.value_or(kPublishedLength), model.model->config().max_positions);
  if (std::ssize(tokens) > most) tokens.resize(static_cast<std::size_t>(most));
  return tokens;
}

// What was found so far, behind a line that says of what: a search that was stopped goes on with
// the layer it was at.
class Unfinished {
 public:
  Unfinished(std::string path, std::string of) : path_(std::move(path)), of_(std::move(of)) {}

  HeadPatterns read() const {
    const Expected<std::string> text = read_file(path_);
    if (!text) return {};
    const std::size_t line = text->find('\n');
    if (line == std::string::npos || text->substr(0, line) != of_) return {};
    Expected<HeadPatterns> patterns = methods::parse_head_patterns(text->substr(line + 1), path_);
    return patterns ? *std::move(patterns) : HeadPatterns{};
  }
  Expected<void> write(const HeadPatterns& patterns) const {
    return write_file(path_, of_ + "\n" + head_patterns_json(patterns));
  }
  void remove() const { std::remove(path_.c_str()); }

 private:
  std::string path_, of_;
};

void print_summary(const HeadPatterns& patterns, std::size_t tokens) {
  struct Count {
    std::string name;
    std::int64_t heads = 0;
  };
  std::vector<Count> counts;
  std::int64_t heads = 0;
  for (const auto& layer : patterns) {
    for (const auto& [head, pattern] : layer) {
      const std::array names = {"vertical-slash", "A-shape", "block-sparse"};
      std::string name = names.at(static_cast<std::size_t>(pattern.kind));
      if (pattern.kind != PatternKind::kBlockSparse) {
        name +=
            " (" + format_integer(pattern.vertical) + ", " + format_integer(pattern.slash) + ")";
      }
      ++heads;
      const auto found = std::ranges::find(counts, name, &Count::name);
      if (found == counts.end()) {
        counts.push_back({name, 1});
      } else {
        ++found->heads;
      }
    }
  }
  std::ranges::stable_sort(counts, std::greater(), &Count::heads);
  TextTable table({"pattern", "heads"});
  for (const Count& count : counts) table.add({count.name, format_integer(count.heads)});
  std::printf("%s heads on %s tokens\n%s", format_integer(heads).c_str(),
              format_integer(static_cast<std::int64_t>(tokens)).c_str(), table.text(0).c_str());
}

ExitCode run(const Arguments& arguments) {
  if (std::ranges::find(criteria(), arguments.criterion) == criteria().end()) {
    return fail("--criterion: " + unknown_name("criterion", arguments.criterion, criteria()),
                ExitCode::kUsageError);
  }
  Expected<LoadedModel> model = load(arguments.model);
  if (!model) return fail(model.error());
  const auto fits = check_layers(*methods::parse_method("minference"), *model);
  if (!fits) return fail(fits.error());
  const auto tokens = arguments.data.empty() ? tokens_of_task(arguments, *model)
                                             : tokens_of_file(arguments, *model);
  if (!tokens) return fail(tokens.error());
  if (tokens->size() < 128) {
    return fail("a search needs a prompt of at least 128 tokens; found " +
                std::to_string(tokens->size()));
  }
  methods::SearchOptions options;
  options.criterion =
      arguments.criterion == "recall" ? SearchCriterion::kRecall : SearchCriterion::kOutput;
  // A prompt that hardly goes beyond the published first row is looked at from its middle on.
  options.first_row =
      arguments.first_row.value_or(std::min<std::int64_t>(2500, std::ssize(*tokens) / 2));
  options.as_published = arguments.as_published;
  std::string of = model->description.name + " " + std::to_string(model->description.parameters) +
                   ", " + arguments.criterion + " from row " + std::to_string(options.first_row) +
                   (options.as_published ? ", as published" : "") + ", tokens ";
  std::string bytes(reinterpret_cast<const char*>(tokens->data()),
                    tokens->size() * sizeof(std::int32_t));
  of += std::to_string(hash_text(bytes));
  const Unfinished unfinished(arguments.out + ".partial", of);
  HeadPatterns done = unfinished.read();
  if (!done.empty()) {
    std::fprintf(stderr, "%s.partial: %zu layers are there already\n", arguments.out.c_str(),
                 done.size());
  }
  program::Progress progress("searching", "layers", true);
  Expected<void> written;
  PatternSearch search(
      options, std::move(done), [&](const PatternSearch& so_far, std::int64_t num_layers) {
        if (written) written = unfinished.write(so_far.found());
        progress.update(
            static_cast<double>(so_far.found().size()) / static_cast<double>(num_layers),
            so_far.found().size());
      });
  KvCache cache = model->model->make_cache();
  const std::unique_ptr<Timeline> timeline = wall_timeline();
  StageClock clock(*timeline);
  PerStage<StageCounts> counts{};
  clock.start();
  Measure measure{clock, counts};
  const Expected<at::Tensor> logits = model->model->prefill(*tokens, cache, search, measure);
  clock.stop();
  progress.done();
  if (!logits) return fail(logits.error());
  if (!written) return fail(written.error());
  if (const auto whole = write_file(arguments.out, head_patterns_json(search.found())); !whole) {
    return fail(whole.error());
  }
  unfinished.remove();
  print_summary(search.found(), tokens->size());
  return ExitCode::kOk;
}

}  // namespace

Command search_patterns_command() {
  auto arguments = std::make_shared<Arguments>();
  Arguments& a = *arguments;
  Command command{.name = "search-patterns",
                  .sentence = "find the sparse pattern of each head of a model, for minference",
                  .arguments = model_arguments(a.model),
                  .run = [arguments] { return run(*arguments); },
                  .details =
                      "The search runs the model on one prompt, a layer after the other; "
                      "stopped, it goes on with the layer it was at."};
  std::vector<std::string> tasks;
  for (const TaskEntry& task : task_table()) tasks.push_back(task.name);
  const auto add = [&command](program::Argument argument) {
    command.arguments.push_back(std::move(argument));
  };
  add({.name = "--out,-o",
       .value_name = "OUT.json",
       .into = &a.out,
       .sentence = "the file to write",
       .required = true,
       .completes = program::Completes::kFile});
  add({.name = "--data",
       .value_name = "FILE",
       .into = &a.data,
       .sentence = "a text to search on; without it a session of --task",
       .completes = program::Completes::kFile});
  add({.name = "--task",
       .value_name = "NAME",
       .into = &a.task,
       .sentence = "whose context and first question are the prompt: kv",
       .offers = tasks});
  add({.name = "--length",
       .value_name = "N",
       .into = &a.length,
       .sentence = "tokens of the prompt (30000, or what the model can take)",
       .min = 128});
  add({.name = "--seed", .value_name = "N", .into = &a.seed, .sentence = "of --task (1)"});
  add({.name = "--criterion",
       .value_name = "NAME",
       .into = &a.criterion,
       .sentence = "recall: attention covered; output: numbers of the output off by over 0.005",
       .offers = criteria()});
  add({.name = "--first-row",
       .value_name = "N",
       .into = &a.first_row,
       .sentence = "recall is a mean over the rows from it on (2500, or half of the prompt)",
       .min = 0});
  add({.name = "--as-published",
       .into = &a.as_published,
       .sentence = "write A-shapes as vertical-slash, blocks as vertical-slash (1000, 6096)"});
  return command;
}

}  // namespace scsim::exec
