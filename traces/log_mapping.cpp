#include "traces/log_mapping.h"

#include <limits>
#include <utility>

#include "traces/log_numbers.h"
#include "traces/text.h"

namespace scsim {
namespace {

constexpr std::int64_t kMostInt = std::numeric_limits<int>::max();

using OptionalText = std::optional<std::string>;

// Nothing where the mapping has no such field, or the row lacks it.
Expected<OptionalText> optional_text(const LogMapping& mapping, const MappedRow& row,
                                     LogField field) {
  if (!mapping.has(field)) return OptionalText();
  return row.text(field);
}

Expected<std::string> required_text(const MappedRow& row, LogField field) {
  Expected<OptionalText> text = row.text(field);
  if (!text) return text.error();
  if (!*text) return row.missing(field);
  return std::move(**text);
}

Expected<std::optional<std::int64_t>> optional_number(const LogMapping& mapping,
                                                      const MappedRow& row, LogField field,
                                                      std::int64_t min) {
  Expected<OptionalText> text = optional_text(mapping, row, field);
  if (!text) return text.error();
  if (!*text) return std::optional<std::int64_t>();
  Expected<std::int64_t> number = parse_whole_number(mapping.column(field), **text, min, kMostInt);
  if (!number) return number.error();
  return std::optional(*number);
}

Expected<Tokens> length(const LogMapping& mapping, const MappedRow& row, LogField field) {
  Expected<std::string> text = required_text(row, field);
  if (!text) return text.error();
  Expected<std::int64_t> tokens = parse_whole_number(mapping.column(field), *text, 1, kMostInt);
  if (!tokens) return tokens.error();
  return Tokens(*tokens);
}

Expected<void> map_names(const LogMapping& mapping, const MappedRow& row, LoggedRequest& request) {
  const std::pair<LogField, std::string*> names[] = {{LogField::kTenant, &request.tenant},
                                                     {LogField::kSession, &request.session},
                                                     {LogField::kModel, &request.model},
                                                     {LogField::kTask, &request.task},
                                                     {LogField::kSlo, &request.slo}};
  for (const auto& [field, name] : names) {
    Expected<OptionalText> text = optional_text(mapping, row, field);
    if (!text) return text.error();
    *name = text->value_or("");
  }
  return {};
}

Expected<void> map_numbers(const LogMapping& mapping, const MappedRow& row,
                           LoggedRequest& request) {
  Expected<std::optional<std::int64_t>> turn = optional_number(mapping, row, LogField::kTurn, 0);
  if (!turn) return turn.error();
  if (*turn) request.turn = static_cast<int>(**turn);
  Expected<std::optional<std::int64_t>> priority =
      optional_number(mapping, row, LogField::kPriority, -kMostInt);
  if (!priority) return priority.error();
  request.priority = static_cast<int>(priority->value_or(0));
  Expected<std::optional<std::int64_t>> most =
      optional_number(mapping, row, LogField::kMaxTokens, 1);
  if (!most) return most.error();
  if (*most) request.max_tokens = Tokens(**most);
  return {};
}

Expected<void> map_prompt(const LogMapping& mapping, const TextContents& texts,
                          const MappedRow& row, LoggedRequest& request) {
  const bool counted = mapping.has(LogField::kPromptTokens);
  if (counted) {
    Expected<Tokens> tokens = length(mapping, row, LogField::kPromptTokens);
    if (!tokens) return tokens.error();
    request.prompt_tokens = *tokens;
  }
  if (mapping.has(LogField::kText)) {
    Expected<std::string> text = required_text(row, LogField::kText);
    if (!text) return text.error();
    if (!counted) request.prompt_tokens = texts.estimate(*text);
    request.prompt_counted = counted;
    request.messages = {{"", std::move(*text)}};
  }
  if (mapping.has(LogField::kBlocks)) {
    Expected<std::vector<std::uint64_t>> ids = row.ids(LogField::kBlocks);
    if (!ids) return ids.error();
    request.blocks = std::move(*ids);
    if (!counted) {
      request.prompt_tokens =
          mapping.block_tokens * static_cast<std::int64_t>(request.blocks.size());
    }
    Expected<void> fits =
        HashedBlocks(mapping.block_tokens).check_fits(request.blocks, request.prompt_tokens);
    if (!fits) return Error{mapping.column(LogField::kBlocks) + ": " + fits.error().message};
  }
  return {};
}

Expected<void> map_answer(const LogMapping& mapping, const TextContents& texts,
                          const MappedRow& row, LoggedRequest& request) {
  Expected<OptionalText> text = optional_text(mapping, row, LogField::kOutputText);
  if (!text) return text.error();
  if (*text) request.answer = LoggedMessage{"", std::move(**text)};
  if (mapping.has(LogField::kOutputTokens)) {
    Expected<Tokens> tokens = length(mapping, row, LogField::kOutputTokens);
    if (!tokens) return tokens.error();
    request.output_tokens = *tokens;
    return {};
  }
  if (!request.answer) return row.missing(LogField::kOutputText);
  request.output_tokens = texts.estimate(request.answer->text);
  return {};
}

}  // namespace

std::vector<ImportOption> mapping_options() {
  std::vector<ImportOption> options = {
      {"time", "timestamp", "column with the time of arrival: a number, or ISO 8601"},
      {"time_unit", "s", "of times that are numbers: s, ms, us, ns"},
      {"prompt_tokens", "input_length",
       "column with the length of the prompt; not needed with `text` or `blocks`"},
      {"output_tokens", "output_length",
       "column with the length of the answer; not needed with `output_text`"},
      {"max_tokens", "", "column with the longest answer the client allowed"},
      {"tenant", "", "column with the tenant"},
      {"session", "", "column with the session; without, each request is one of its own"},
      {"turn", "",
       "column with the number of the turn, from 0; without, the rows of a session are counted"},
      {"model", "", "column with the model"},
      {"task", "", "column with the kind of task"},
      {"slo", "", "column with the service class"},
      {"priority", "", "column with the priority; smaller is more urgent"},
      {"blocks", "",
       "column with a list of ids: each names block_tokens tokens of the prompt, equal ids are "
       "equal tokens"},
      {"block_tokens", "512", "tokens that one id of `blocks` stands for"},
      {"text", "", "column with the prompt's text: prompts that begin alike share their beginning"},
      {"output_text", "", "column with the answer's text"}};
  for (const ImportOption& option : text_options()) options.push_back(option);
  for (const ImportOption& option : log_options()) options.push_back(option);
  return options;
}

Expected<LogMapping> read_mapping(const ImportOptions& options) {
  LogMapping mapping;
  for (std::size_t i = 0; i < kNumLogFields; ++i) {
    const std::string name(kLogFieldNames[i]);
    mapping.chosen[i] = options.given(name);
    mapping.columns[i] = options.text(name);
  }
  // What counts the tokens otherwise makes the columns of lengths optional.
  const auto drop_default = [&](LogField field) {
    const auto i = static_cast<std::size_t>(field);
    if (!mapping.chosen[i]) mapping.columns[i].clear();
  };
  if (mapping.has(LogField::kText) || mapping.has(LogField::kBlocks)) {
    drop_default(LogField::kPromptTokens);
  }
  if (mapping.has(LogField::kOutputText)) drop_default(LogField::kOutputTokens);

  Expected<TimeUnit> unit = time_unit_option(options);
  if (!unit) return unit.error();
  mapping.time_unit = *unit;
  Expected<std::int64_t> block_tokens = options.integer("block_tokens", 1, kMostBlockTokens);
  if (!block_tokens) return block_tokens.error();
  mapping.block_tokens = Tokens(*block_tokens);

  if (mapping.has(LogField::kText) && mapping.has(LogField::kBlocks)) {
    return Error{
        "both `text` and `blocks` are named; one of them says what prompts have in common"};
  }
  if (!mapping.has(LogField::kTime)) return Error{"`time` names nothing"};
  if (!mapping.has(LogField::kPromptTokens) && !mapping.has(LogField::kText) &&
      !mapping.has(LogField::kBlocks)) {
    return Error{"none of `prompt_tokens`, `text` and `blocks` names anything"};
  }
  if (!mapping.has(LogField::kOutputTokens) && !mapping.has(LogField::kOutputText)) {
    return Error{"neither `output_tokens` nor `output_text` names anything"};
  }
  return mapping;
}

Expected<LoggedRequest> map_row(const LogMapping& mapping, const TextContents& texts,
                                const MappedRow& row) {
  LoggedRequest request;
  Expected<std::string> time = required_text(row, LogField::kTime);
  if (!time) return time.error();
  Expected<std::int64_t> time_ns = parse_log_time(*time, mapping.time_unit);
  if (!time_ns) return Error{mapping.column(LogField::kTime) + ": " + time_ns.error().message};
  request.time_ns = *time_ns;
  if (Expected<void> ok = map_names(mapping, row, request); !ok) return ok.error();
  if (Expected<void> ok = map_numbers(mapping, row, request); !ok) return ok.error();
  if (Expected<void> ok = map_prompt(mapping, texts, row, request); !ok) return ok.error();
  if (Expected<void> ok = map_answer(mapping, texts, row, request); !ok) return ok.error();
  return request;
}

Expected<ImportReport> import_mapped_log(const LogMapping& mapping, TextContents& texts,
                                         const ImportInputs& inputs, const ImportOptions& options,
                                         const OpenTrace& open,
                                         const std::function<Expected<void>(LogRows&)>& read) {
  HashedBlocks blocks(mapping.block_tokens);
  LogImport log;
  log.read = read;
  const bool by_text = mapping.has(LogField::kText), by_blocks = mapping.has(LogField::kBlocks);
  const bool counted = mapping.has(LogField::kPromptTokens);
  if ((by_text && !counted) ||
      (mapping.has(LogField::kOutputText) && !mapping.has(LogField::kOutputTokens))) {
    log.assumptions.push_back(options.text("chars_per_token") +
                              " characters per token where the log counts no tokens");
  }
  if (by_blocks) {
    log.assumptions.push_back("an id of " + mapping.column(LogField::kBlocks) + " stands for " +
                              format_integer(mapping.block_tokens.value()) + " tokens");
  } else if (!by_text) {
    log.assumptions.push_back(
        "no two prompts have anything in common: neither `text` nor `blocks` says what they have");
  }
  log.fill = [&](const LoggedRequest& row, TraceWriter& writer, Request& request) {
    if (by_text) {
      texts.fill(row, writer, request);
      return;
    }
    if (by_blocks) {
      blocks.append(row.blocks, row.prompt_tokens, writer, request.prompt);
    } else {
      request.prompt = {Span{writer.add_content(row.prompt_tokens), Tokens(0), row.prompt_tokens}};
    }
    if (row.answer) request.output = texts.add_answer(*row.answer, row.output_tokens, writer);
  };
  return import_log(log, inputs, options, open);
}

}  // namespace scsim
