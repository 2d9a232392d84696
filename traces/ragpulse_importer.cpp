// RAGPulse: a week of a university's retrieval-augmented service. A prompt is a list of contents
// (system prompt, passages, history, web search, question) whose ids and lengths are logged, so the
// same passage is the same content at whatever place of a prompt it stands.
//
// Six files, one folder: 0_trace has the requests, the others the lengths of the contents, one
// {"passage_id": 17, "token_length": 286} a line. Files are told by what is in them.
#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <filesystem>
#include <limits>

#include "traces/hash.h"
#include "traces/hashed_blocks.h"
#include "traces/json_rows.h"
#include "traces/log_import.h"
#include "traces/log_time.h"
#include "traces/text.h"

namespace scsim {
namespace {

// In the order of the prompt: the list of a request, and the field that names such a content.
struct Part {
  std::string_view list, id;
};
constexpr Part kParts[] = {{"sys_prompt", "sys_prompt_id"},
                           {"passages_ids", "passage_id"},
                           {"history", "history_id"},
                           {"web_search", "web_search_id"},
                           {"user_input", "user_input_id"}};

// Ids of different parts are kept apart, whether or not the log does.
std::uint64_t key_of(const Part& part, std::int64_t id) {
  return hash_text(part.id, static_cast<std::uint64_t>(id));
}

struct Content {
  Tokens tokens;
  ContentId id;  // none before its first use
};
using Contents = boost::unordered_flat_map<std::uint64_t, Content>;

Expected<void> read_content(const JsonValue& row, Contents& contents) {
  for (const Part& part : kParts) {
    if (!row.find(part.id)) continue;
    Expected<std::int64_t> id = integer_field(row, part.id, 0);
    if (!id) return id.error();
    Expected<std::int64_t> tokens =
        integer_field(row, "token_length", 0, std::numeric_limits<std::int32_t>::max());
    if (!tokens) return tokens.error();
    contents[key_of(part, *id)].tokens = Tokens(*tokens);
    return {};
  }
  return Error{"neither a request (hash_ids) nor a content (sys_prompt_id, passage_id, ...)"};
}

Expected<LoggedRequest> read_request(const JsonValue& row, const Contents& contents) {
  LoggedRequest request;
  Expected<std::string> time = string_field(row, "timestamp");
  if (!time) return time.error();
  Expected<std::int64_t> time_ns = parse_log_time(*time, TimeUnit::kSeconds);
  if (!time_ns) return Error{"timestamp: " + time_ns.error().message};
  Expected<std::int64_t> input = integer_field(row, "input_length", 1);
  if (!input) return input.error();
  Expected<std::int64_t> output = integer_field(row, "output_length", 1);
  if (!output) return output.error();
  Expected<std::string> session = string_field(row, "session_id");
  if (!session) return session.error();
  Expected<JsonValue> lists = required_field(row, "hash_ids");
  if (!lists) return lists.error();

  Tokens sum{0};
  for (const Part& part : kParts) {
    if (!lists->find(part.list)) continue;
    Expected<std::vector<std::uint64_t>> ids = ids_field(*lists, part.list);
    if (!ids) return Error{"hash_ids." + ids.error().message};
    for (std::uint64_t id : *ids) {
      request.blocks.push_back(key_of(part, static_cast<std::int64_t>(id)));
      auto content = contents.find(request.blocks.back());
      if (content == contents.end()) {
        return Error{"hash_ids." + std::string(part.list) + ": no content has " +
                     std::string(part.id) + " " + std::to_string(id)};
      }
      sum += content->second.tokens;
    }
  }
  if (sum > Tokens(*input)) {
    return Error{"hash_ids: contents of " + format_integer(sum.value()) +
                 " tokens in a prompt of " + format_integer(*input)};
  }
  request.time_ns = *time_ns;
  request.prompt_tokens = Tokens(*input);
  request.output_tokens = Tokens(*output);
  request.session = *session;
  return request;
}

Expected<std::vector<std::string>> files_of(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    if (!std::filesystem::is_directory(path)) {
      files.push_back(path);
      continue;
    }
    std::error_code code;
    for (const auto& entry : std::filesystem::directory_iterator(path, code)) {
      const std::string name = entry.path().filename().string();
      if (name.ends_with(".jsonl") || name.ends_with(".jsonl.zst"))
        files.push_back(entry.path().string());
    }
    if (code) return Error{path + ": " + code.message()};
  }
  std::ranges::sort(files);
  if (files.empty()) return Error{paths.front() + ": no .jsonl or .jsonl.zst in this folder"};
  return files;
}

Expected<bool> has_requests(const std::string& path) {
  Expected<JsonRows> rows = JsonRows::open(path);
  if (!rows) return rows.error();
  Expected<bool> any = rows->next();
  if (!any) return any.error();
  return *any && rows->row().has_value() && rows->row()->find("hash_ids").has_value();
}

Expected<void> read_contents(const std::string& path, Contents& contents) {
  Expected<JsonRows> rows = JsonRows::open(path);
  if (!rows) return rows.error();
  while (true) {
    Expected<bool> more = rows->next();
    if (!more) return more.error();
    if (!*more) return {};
    Expected<void> ok =
        rows->row() ? read_content(*rows->row(), contents) : Expected<void>(rows->row().error());
    if (!ok) return Error{path + ":" + std::to_string(rows->line()) + ": " + ok.error().message};
  }
}

Expected<ImportReport> import_ragpulse(const ImportInputs& inputs, const ImportOptions& options,
                                       const OpenTrace& open) {
  Expected<std::vector<std::string>> files = files_of(inputs.paths);
  if (!files) return files.error();
  std::vector<std::string> traces;
  Contents contents;
  for (const std::string& path : *files) {
    Expected<bool> requests = has_requests(path);
    if (!requests) return requests.error();
    if (*requests) {
      traces.push_back(path);
    } else if (Expected<void> ok = read_contents(path, contents); !ok) {
      return ok.error();
    }
  }
  if (traces.empty())
    return Error{inputs.paths.front() + ": no file with requests (0_trace.jsonl) among " +
                 std::to_string(files->size())};

  LogImport log;
  log.assumptions = {
      "the contents of a prompt are in the order system prompt, passages, history, web search, "
      "question",
      "tokens of a prompt beyond its contents (the template) come last and are shared with no "
      "other"};
  log.read = [&](LogRows& rows) {
    return read_json_log(traces, rows,
                         [&](const JsonValue& row) { return read_request(row, contents); });
  };
  log.fill = [&](const LoggedRequest& row, TraceWriter& writer, Request& request) {
    Tokens rest = row.prompt_tokens;
    for (std::uint64_t key : row.blocks) {
      Content& content = contents[key];
      if (content.tokens == Tokens(0)) continue;
      if (!content.id.valid()) content.id = writer.add_content(content.tokens);
      append_span(request.prompt, {content.id, Tokens(0), content.tokens});
      rest -= content.tokens;
    }
    if (rest > Tokens(0)) request.prompt.push_back({writer.add_content(rest), Tokens(0), rest});
  };
  return import_log(log, inputs, options, open);
}

}  // namespace

TraceFormat ragpulse_format() {
  TraceFormat format;
  format.name = "ragpulse";
  format.sentence =
      "RAGPulse's six files of JSON lines, or the folder that has them: contents by id and length";
  format.source = "github.com/flashserve/RAGPulse";
  format.options = log_options();
  format.import = import_ragpulse;
  return format;
}

}  // namespace scsim
