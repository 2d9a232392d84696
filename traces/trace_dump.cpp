#include "traces/trace_dump.h"

#include <cstdio>
#include <optional>
#include <string_view>
#include <utility>

#include "traces/files.h"
#include "traces/text.h"
#include "traces/trace.h"

namespace scsim {
namespace {

class Lines {
 public:
  explicit Lines(std::optional<PartialFile> file) : file_(std::move(file)) {}

  void begin() { text_ += '{'; }
  void end() {
    text_ += "}\n";
    if (text_.size() >= (1 << 16)) flush();
  }
  // A number or JSON text.
  void add(std::string_view key, std::string_view value) {
    if (text_.back() != '{') text_ += ',';
    (((text_ += '"') += key) += "\":") += value;
  }
  void add(std::string_view key, std::int64_t value) { add(key, std::to_string(value)); }
  void add(std::string_view key, std::uint64_t value) { add(key, std::to_string(value)); }
  void add_text(std::string_view key, std::string_view value) { add(key, json_quote(value)); }

  Expected<void> finish() {
    flush();
    if (file_) return file_->commit();
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
      return Error{"stdout: could not be written"};
    return {};
  }

 private:
  void flush() {
    if (file_) {
      file_->write(text_);
    } else {
      std::fwrite(text_.data(), 1, text_.size(), stdout);
    }
    text_.clear();
  }

  std::optional<PartialFile> file_;  // none: stdout
  std::string text_;
};

std::string list_of(const std::vector<RequestId>& ids) {
  std::string list = "[";
  for (const RequestId id : ids) list += (list.size() > 1 ? "," : "") + std::to_string(id.value());
  return list + "]";
}

std::string list_of(const std::vector<Span>& spans) {
  std::string list = "[";
  for (const Span& span : spans) {
    list += (list.size() > 1 ? ",[" : "[") + std::to_string(span.content.value()) + "," +
            std::to_string(span.first.value()) + "," + std::to_string(span.count.value()) + "]";
  }
  return list + "]";
}

void write(const Request& request, const TraceTables& tables, Lines& lines) {
  lines.begin();
  lines.add("request", request.id.value());
  lines.add_text("tenant", tables.tenants[request.tenant.value()].name);
  lines.add("session", request.session.value());
  lines.add("turn", std::int64_t{request.turn});
  lines.add("parents", list_of(request.parents));
  if (request.arrival) {
    lines.add("arrival_ns", request.arrival->ns());
  } else {
    lines.add("think_ns", request.think.ns());
    lines.add("earliest_ns", request.earliest.ns());
  }
  lines.add_text("model", tables.models[request.model.value()]);
  lines.add("prompt", list_of(request.prompt));
  lines.add("prompt_tokens", request.prompt_tokens().value());
  if (request.output.valid()) lines.add("output_content", request.output.value());
  lines.add("output_tokens", request.output_tokens.value());
  lines.add("max_tokens", request.max_tokens.value());
  lines.add_text("task", tables.tasks[request.task.value()]);
  lines.add_text("slo", tables.slos[request.slo.value()].name);
  lines.add("priority", std::int64_t{request.priority});
  if (request.cancel_after) lines.add("cancel_after_ns", request.cancel_after->ns());
  lines.end();
}

}  // namespace

Expected<std::uint64_t> dump_trace(const std::string& in, const std::string& out,
                                   const DumpOptions& options) {
  Expected<TraceReader> reader = TraceReader::open(in);
  if (!reader) return reader.error();
  std::optional<PartialFile> file;
  if (!out.empty()) {
    Expected<PartialFile> created = PartialFile::create(out);
    if (!created) return created.error();
    file = std::move(*created);
  }
  Lines lines(std::move(file));
  if (options.contents) {
    reader->on_content([&](ContentId content, Tokens tokens) {
      lines.begin();
      lines.add("content", content.value());
      lines.add("tokens", tokens.value());
      lines.end();
    });
    reader->on_text([&](ContentId content, std::string_view role, std::string_view text) {
      lines.begin();
      lines.add("content", content.value());
      lines.add_text("role", role);
      lines.add_text("text", text);
      lines.end();
    });
  }
  Request request;
  std::uint64_t requests = 0;
  while (true) {
    const Expected<bool> more = reader->next(request);
    if (!more) return more.error();
    if (!*more) break;
    write(request, reader->tables(), lines);
    if (options.progress && requests % 1024 == 0) options.progress(reader->progress());
    ++requests;
  }
  if (const Expected<void> finished = lines.finish(); !finished) return finished.error();
  return requests;
}

}  // namespace scsim
