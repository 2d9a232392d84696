#include "traces/log_mapping.h"

#include <google/protobuf/descriptor.h>

#include <limits>
#include <utility>

#include "traces/log_numbers.h"
#include "traces/proto/import.pb.h"
#include "traces/proto/options.pb.h"
#include "traces/text.h"
#include "traces/text_contents.h"
#include "traces/yaml_defaults.h"
#include "traces/yaml_message.h"

namespace scsim {
namespace {

const google::protobuf::Descriptor& mapping_keys() { return *proto::ImportMapping::descriptor(); }

// One key from the command line. A string is taken as it is, whatever it looks like in YAML.
Expected<void> set_key(const std::string& key, const std::string& value,
                       proto::ImportMapping& mapping) {
  const google::protobuf::FieldDescriptor* field = mapping_keys().FindFieldByName(key);
  const bool is_column = field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_STRING &&
                         !field->options().HasExtension(proto::choices);
  if (!is_column) return set_yaml_key(key + "=" + value, mapping);
  mapping.GetReflection()->SetString(&mapping, field, value);
  return {};
}

Expected<std::int64_t> whole_number(const LogMapping& mapping, const MappedRow& row, LogField field,
                                    std::int64_t min, std::int64_t max) {
  Expected<std::optional<std::string>> text = row.text(field);
  if (!text) return text.error();
  if (!*text) return row.missing(field);
  return parse_whole_number(mapping.column(field), **text, min, max);
}

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMostInt = std::numeric_limits<int>::max();

}  // namespace

std::vector<ImportOption> mapping_options() {
  std::vector<ImportOption> options = log_options();
  options.push_back({"mapping", "", "a YAML file with any of the options below, as `key: value`"});
  for (int i = 0; i < mapping_keys().field_count(); ++i) {
    const google::protobuf::FieldDescriptor& field = *mapping_keys().field(i);
    std::string otherwise = field.options().GetExtension(proto::default_text);
    if (otherwise == "''") otherwise.clear();
    options.push_back(
        {std::string(field.name()), otherwise, field.options().GetExtension(proto::doc)});
  }
  return options;
}

Expected<LogMapping> read_mapping(const ImportOptions& options) {
  proto::ImportMapping message;
  if (const std::string& path = options.text("mapping"); !path.empty()) {
    if (Expected<void> ok = read_yaml_file(path, message); !ok) return ok.error();
  }
  for (int i = 0; i < mapping_keys().field_count(); ++i) {
    const std::string key(mapping_keys().field(i)->name());
    if (!options.given(key)) continue;
    if (Expected<void> ok = set_key(key, options.text(key), message); !ok) return ok.error();
  }

  LogMapping mapping;
  const google::protobuf::Reflection& values = *message.GetReflection();
  for (std::size_t i = 0; i < kNumLogFields; ++i) {
    const auto* key = mapping_keys().FindFieldByName(std::string(kLogFieldNames[i]));
    mapping.chosen[i] = values.HasField(message, key);
  }
  // What counts the tokens otherwise makes the columns of lengths optional.
  if ((!message.text().empty() || !message.blocks().empty()) && !message.has_prompt_tokens()) {
    message.set_prompt_tokens("");
  }
  if (!message.output_text().empty() && !message.has_output_tokens()) message.set_output_tokens("");
  fill_yaml_defaults(message);
  for (std::size_t i = 0; i < kNumLogFields; ++i) {
    const auto* key = mapping_keys().FindFieldByName(std::string(kLogFieldNames[i]));
    mapping.columns[i] = values.GetString(message, key);
  }
  Expected<TimeUnit> unit = parse_time_unit(message.time_unit());
  if (!unit) return unit.error();
  mapping.time_unit = *unit;
  mapping.block_tokens = Tokens(static_cast<std::int64_t>(message.block_tokens()));
  mapping.chars_per_token = message.chars_per_token();
  mapping.keep_text = message.keep_text();
  mapping.header = message.header();
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

Expected<LoggedRequest> map_row(const LogMapping& mapping, const MappedRow& row) {
  LoggedRequest request;
  Expected<std::optional<std::string>> time = row.text(LogField::kTime);
  if (!time) return time.error();
  if (!*time) return row.missing(LogField::kTime);
  Expected<std::int64_t> time_ns = parse_log_time(**time, mapping.time_unit);
  if (!time_ns) return Error{mapping.column(LogField::kTime) + ": " + time_ns.error().message};
  request.time_ns = *time_ns;

  const std::pair<LogField, std::string*> names[] = {{LogField::kTenant, &request.tenant},
                                                     {LogField::kSession, &request.session},
                                                     {LogField::kModel, &request.model},
                                                     {LogField::kTask, &request.task},
                                                     {LogField::kSlo, &request.slo}};
  for (const auto& [field, name] : names) {
    if (!mapping.has(field)) continue;
    Expected<std::optional<std::string>> text = row.text(field);
    if (!text) return text.error();
    *name = text->value_or("");
  }
  // Numbers that a row may leave out.
  std::optional<std::int64_t> turn, priority, max_tokens;
  struct Number {
    LogField field;
    std::optional<std::int64_t>* value;
    std::int64_t min;
  };
  for (const Number& number :
       {Number{LogField::kTurn, &turn, 0}, Number{LogField::kPriority, &priority, -kMostInt},
        Number{LogField::kMaxTokens, &max_tokens, 1}}) {
    if (!mapping.has(number.field)) continue;
    Expected<std::optional<std::string>> text = row.text(number.field);
    if (!text) return text.error();
    if (!*text) continue;
    Expected<std::int64_t> value =
        parse_whole_number(mapping.column(number.field), **text, number.min, kMostInt);
    if (!value) return value.error();
    *number.value = *value;
  }
  if (turn) request.turn = static_cast<int>(*turn);
  if (max_tokens) request.max_tokens = Tokens(*max_tokens);
  request.priority = static_cast<int>(priority.value_or(0));

  const TextContents ratio(mapping.chars_per_token, false);
  if (mapping.has(LogField::kText)) {
    Expected<std::optional<std::string>> text = row.text(LogField::kText);
    if (!text) return text.error();
    if (!*text) return row.missing(LogField::kText);
    request.prompt_tokens = ratio.estimate(**text);
    request.prompt_counted = false;
    request.messages = {{"", **text}};
  }
  if (mapping.has(LogField::kPromptTokens)) {
    Expected<std::int64_t> tokens = whole_number(mapping, row, LogField::kPromptTokens, 1, kMost);
    if (!tokens) return tokens.error();
    request.prompt_tokens = Tokens(*tokens);
    request.prompt_counted = true;
  }
  if (mapping.has(LogField::kBlocks)) {
    Expected<std::vector<std::uint64_t>> ids = row.ids(LogField::kBlocks);
    if (!ids) return ids.error();
    request.blocks = std::move(*ids);
    if (!mapping.has(LogField::kPromptTokens)) {
      request.prompt_tokens =
          mapping.block_tokens * static_cast<std::int64_t>(request.blocks.size());
    }
    Expected<void> fits =
        HashedBlocks(mapping.block_tokens).check_fits(request.blocks, request.prompt_tokens);
    if (!fits) return Error{mapping.column(LogField::kBlocks) + ": " + fits.error().message};
  }

  if (mapping.has(LogField::kOutputText)) {
    Expected<std::optional<std::string>> text = row.text(LogField::kOutputText);
    if (!text) return text.error();
    request.answer = LoggedMessage{"", text->value_or("")};
    request.output_tokens = ratio.estimate(request.answer->text);
  }
  if (mapping.has(LogField::kOutputTokens)) {
    Expected<std::int64_t> tokens = whole_number(mapping, row, LogField::kOutputTokens, 1, kMost);
    if (!tokens) return tokens.error();
    request.output_tokens = Tokens(*tokens);
  }
  return request;
}

Expected<ImportReport> import_mapped_log(const LogMapping& mapping, const ImportInputs& inputs,
                                         const ImportOptions& options, const OpenTrace& open,
                                         const std::function<Expected<void>(LogRows&)>& read) {
  HashedBlocks blocks(mapping.block_tokens);
  TextContents texts(mapping.chars_per_token, mapping.keep_text);
  LogImport log;
  log.read = read;
  const bool by_text = mapping.has(LogField::kText), by_blocks = mapping.has(LogField::kBlocks);
  const bool counted = mapping.has(LogField::kPromptTokens);
  if ((by_text && !counted) ||
      (mapping.has(LogField::kOutputText) && !mapping.has(LogField::kOutputTokens))) {
    log.assumptions.push_back(format_shortest(mapping.chars_per_token) +
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
