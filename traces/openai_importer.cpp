// Chat requests as OpenAI's API takes them, logged one a line: the request itself, or
// {"request": {...}, "response": {...}}, or the lines of its batch files ({"body": {...}}).
//
// Equal messages become equal contents. Who continues whom follows from the messages: a request
// whose messages go on after an answer continues the one that had the messages before that answer.
#include <optional>

#include "traces/hash.h"
#include "traces/json_rows.h"
#include "traces/log_import.h"
#include "traces/log_numbers.h"
#include "traces/log_time.h"
#include "traces/text.h"
#include "traces/text_contents.h"

namespace scsim {
namespace {

struct Settings {
  std::string time, tenant, session;
  TimeUnit time_unit = TimeUnit::kSeconds;
  std::optional<std::int64_t> interval_ns;
};

std::optional<JsonValue> find_first(const JsonValue& row,
                                    std::initializer_list<std::string_view> paths) {
  for (std::string_view path : paths) {
    if (std::optional<JsonValue> value = row.find_path(path)) return value;
  }
  return std::nullopt;
}

// The text of a message's "content": a string, or a list of parts of which only the texts are text.
// A picture or the like stands as its kind and a hash, so that equal ones are equal.
std::string content_text(const JsonValue& content) {
  if (std::optional<std::string_view> text = content.string()) return std::string(*text);
  std::string out;
  for (const JsonValue& part : content.items()) {
    if (std::optional<JsonValue> text = part.find("text"); text && text->string()) {
      out += *text->string();
    } else {
      std::optional<JsonValue> kind = part.find("type");
      out += "[" + (kind ? text_of(*kind).value_or("part") : "part") + " " +
             std::to_string(hash_text(part.json())) + "]";
    }
  }
  return out;
}

LoggedMessage read_message(const JsonValue& message) {
  LoggedMessage read;
  if (std::optional<JsonValue> role = message.find("role")) read.role = text_of(*role).value_or("");
  if (std::optional<JsonValue> content = message.find("content"))
    read.text = content_text(*content);
  for (std::string_view call : {"tool_calls", "function_call"}) {
    if (std::optional<JsonValue> calls = message.find(call)) read.text += calls->json();
  }
  return read;
}

Expected<void> read_prompt(const JsonValue& row, LoggedRequest& request) {
  if (auto tools = find_first(row, {"tools", "functions", "request.tools", "request.functions",
                                    "body.tools", "body.functions"})) {
    request.messages.push_back({"tools", tools->json()});
  }
  std::optional<JsonValue> messages =
      find_first(row, {"messages", "request.messages", "body.messages"});
  if (!messages) {
    std::optional<JsonValue> prompt = find_first(row, {"prompt", "request.prompt", "body.prompt"});
    if (!prompt) return required_field(row, "messages").error();
    if (!prompt->string())
      return Error{"prompt: expected a string, found " + std::string(prompt->describe())};
    request.messages.push_back({"", std::string(*prompt->string())});
    return {};
  }
  if (!messages->is_array()) {
    return Error{"messages: expected a list, found " + std::string(messages->describe())};
  }
  std::size_t index = 0;
  for (const JsonValue& message : messages->items()) {
    if (!message.is_object()) {
      return Error{"messages[" + std::to_string(index) + "]: expected an object, found " +
                   std::string(message.describe())};
    }
    ++index;
    request.messages.push_back(read_message(message));
  }
  return {};
}

std::optional<LoggedMessage> read_answer(const JsonValue& row) {
  std::optional<JsonValue> choices =
      find_first(row, {"response.choices", "response.body.choices", "choices"});
  if (choices && !choices->items().empty()) {
    const JsonValue choice = choices->items().front();
    if (std::optional<JsonValue> message = choice.find("message")) {
      LoggedMessage answer = read_message(*message);
      answer.role = "assistant";
      return answer;
    }
    if (std::optional<JsonValue> text = choice.find("text"); text && text->string()) {
      return LoggedMessage{"assistant", std::string(*text->string())};
    }
  }
  if (auto text = find_first(row, {"response", "response.content"}); text && text->string()) {
    return LoggedMessage{"assistant", std::string(*text->string())};
  }
  return std::nullopt;
}

// tokens counted by the server: usage.prompt_tokens and the like.
Expected<std::optional<Tokens>> usage(const JsonValue& row, std::string_view name,
                                      std::string_view other_name) {
  std::optional<JsonValue> usage =
      find_first(row, {"usage", "response.usage", "response.body.usage"});
  if (!usage) return std::optional<Tokens>();
  for (std::string_view key : {name, other_name}) {
    if (!usage->find(key)) continue;
    Expected<std::int64_t> tokens = integer_field(*usage, key, 1);
    if (!tokens) return Error{"usage." + tokens.error().message};
    return std::optional(Tokens(*tokens));
  }
  return std::optional<Tokens>();
}

Expected<std::int64_t> read_time(const JsonValue& row, const Settings& settings,
                                 std::int64_t row_number) {
  std::optional<JsonValue> time =
      settings.time.empty()
          ? find_first(row, {"timestamp", "created", "created_at", "time", "request.timestamp",
                             "response.created", "response.body.created"})
          : row.find_path(settings.time);
  if (!time && settings.interval_ns) return *settings.interval_ns * row_number;
  if (!time)
    return required_field(row, settings.time.empty() ? "timestamp" : settings.time).error();
  Expected<std::int64_t> time_ns =
      parse_log_time(text_of(*time).value_or(std::string(time->describe())), settings.time_unit);
  if (!time_ns) return Error{"time: " + time_ns.error().message};
  return *time_ns;
}

// The request names itself by all its messages, and its parent by those before the last answer.
void name_chats(LoggedRequest& request) {
  std::uint64_t hash = hash_text(request.tenant);
  std::optional<std::uint64_t> before_last_answer;
  for (const LoggedMessage& message : request.messages) {
    if (message.role == "assistant") before_last_answer = hash;
    hash = hash_text(message.text, hash_text(message.role, hash));
  }
  request.chat = hash;
  request.parent_chat = before_last_answer;
}

Expected<LoggedRequest> read_row(const JsonValue& row, const Settings& settings,
                                 const TextContents& ratio, std::int64_t row_number) {
  LoggedRequest request;
  Expected<std::int64_t> time_ns = read_time(row, settings, row_number);
  if (!time_ns) return time_ns.error();
  request.time_ns = *time_ns;
  if (Expected<void> ok = read_prompt(row, request); !ok) return ok.error();
  request.answer = read_answer(row);

  if (auto model = find_first(row, {"model", "request.model", "body.model"})) {
    request.model = text_of(*model).value_or("");
  }
  if (auto limit = find_first(
          row, {"max_completion_tokens", "max_tokens", "request.max_completion_tokens",
                "request.max_tokens", "body.max_completion_tokens", "body.max_tokens"})) {
    if (limit->integer().value_or(0) < 1)
      return Error{"max_tokens: expected a whole number of at least 1"};
    request.max_tokens = Tokens(*limit->integer());
  }
  if (auto tenant = find_first(
          row, {settings.tenant, "request." + settings.tenant, "body." + settings.tenant})) {
    request.tenant = text_of(*tenant).value_or("");
  }

  Expected<std::optional<Tokens>> prompt = usage(row, "prompt_tokens", "input_tokens");
  if (!prompt) return prompt.error();
  request.prompt_counted = prompt->has_value();
  for (const LoggedMessage& message : request.messages)
    request.prompt_tokens += ratio.estimate(message.text);
  if (*prompt) request.prompt_tokens = **prompt;

  Expected<std::optional<Tokens>> output = usage(row, "completion_tokens", "output_tokens");
  if (!output) return output.error();
  if (!*output && !request.answer)
    return Error{"neither usage.completion_tokens nor an answer: how long was it?"};
  request.output_tokens = *output ? **output : ratio.estimate(request.answer->text);

  if (!settings.session.empty()) {
    Expected<std::string> session = string_field(row, settings.session);
    if (!session) return session.error();
    request.session = *session;
  } else {
    name_chats(request);
  }
  return request;
}

Expected<Settings> read_settings(const ImportOptions& options) {
  Settings settings;
  settings.time = options.text("time");
  settings.tenant = options.text("tenant");
  settings.session = options.text("session");
  Expected<TimeUnit> unit = time_unit_option(options);
  if (!unit) return unit.error();
  settings.time_unit = *unit;
  if (!options.text("interval").empty()) {
    Expected<double> seconds = parse_seconds(options.text("interval"));
    if (!seconds || *seconds < 0) {
      return Error{"option interval: expected a time such as \"200 ms\", found \"" +
                   options.text("interval") + "\""};
    }
    settings.interval_ns = to_duration(Seconds(*seconds)).ns();
  }
  return settings;
}

Expected<ImportReport> import_openai(const ImportInputs& inputs, const ImportOptions& options,
                                     const OpenTrace& open) {
  Expected<Settings> settings = read_settings(options);
  if (!settings) return settings.error();
  Expected<TextContents> texts = TextContents::make(options);
  if (!texts) return texts.error();
  LogImport log;
  log.assumptions = {
      options.text("chars_per_token") + " characters per token where a row has no usage",
      "pictures and the like are as long as usage says, or a few tokens"};
  if (settings->session.empty()) {
    log.assumptions.push_back(
        "a request continues the one whose messages it repeats up to an answer");
  }
  log.read = [&](LogRows& rows) {
    return read_json_log(inputs.paths, rows,
                         [&, row_number = std::int64_t{0}](const JsonValue& row) mutable {
                           return read_row(row, *settings, *texts, row_number++);
                         });
  };
  log.fill = [&](const LoggedRequest& row, TraceWriter& writer, Request& request) {
    texts->fill(row, writer, request);
  };
  return import_log(log, inputs, options, open);
}

}  // namespace

TraceFormat openai_format() {
  TraceFormat format;
  format.name = "openai";
  format.sentence =
      "logged requests of OpenAI's chat API in JSON lines: messages, perhaps response and usage";
  format.source = "platform.openai.com/docs/api-reference/chat and .../batch";
  format.options = log_options();
  for (const ImportOption& option : text_options()) format.options.push_back(option);
  format.options.push_back({"time", "",
                            "field with the time; default: timestamp, created, created_at or time, "
                            "of the row, its request or its response"});
  format.options.push_back({"time_unit", "s", "of times that are numbers: s, ms, us, ns"});
  format.options.push_back(
      {"interval", "",
       "time between rows that have none, such as \"200 ms\"; default: they are rejected"});
  format.options.push_back({"tenant", "user", "field with the tenant"});
  format.options.push_back(
      {"session", "", "field with the session; default: found by the messages"});
  format.import = import_openai;
  return format;
}

}  // namespace scsim
