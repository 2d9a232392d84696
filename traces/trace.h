// Trace: requests with prompts made of spans, and the tables of names they refer to.
//
//   auto reader = TraceReader::open("enterprise_docs.pb");
//   if (!reader) die(reader.error());
//   Request request;
//   while (true) {
//     Expected<bool> more = reader->next(request);   // reuses the memory of `request`
//     if (!more) die(more.error());
//     if (!*more) break;
//   }
//
// Memory of both reader and writer is constant over the number of requests (one zstd frame, the
// tables of names, and the lengths of the most recent million of contents, which spans are checked
// against). The file format is in traces/proto/trace.proto.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "traces/expected.h"
#include "traces/quantity.h"
#include "traces/time.h"

namespace scsim {

// What a trace can hold; importers reject what is larger before they hand it to the writer.
inline constexpr Tokens kMostTokens{(std::int64_t{1} << 31) - 1};        // prompt, content, output
inline constexpr TimePoint kLatestArrival{(std::int64_t{1} << 62) - 1};  // 146 years

// `count` tokens of `content` from its token `first` on.
struct Span {
  ContentId content;
  Tokens first{0};
  Tokens count{0};
  friend bool operator==(const Span&, const Span&) = default;
};

struct Tenant {
  TenantId id;
  std::string name;
  std::string price_class;
};

// Targets of a service class; absent means no target.
struct SloClass {
  SloId id;
  std::string name;
  std::optional<Duration> ttft, tpot, e2e;
};

struct Request {
  RequestId id;  // position in the file; set by the reader and returned by the writer
  TenantId tenant{0};
  SessionId session{0};
  int turn = 0;
  std::vector<RequestId> parents;
  // Open loop: the arrival. Closed loop: absent, and the request arrives `think` after its last
  // parent's end, never before `earliest`.
  std::optional<TimePoint> arrival;
  Duration think{};
  TimePoint earliest{};  // equals the arrival in open loop
  ModelId model{0};
  std::vector<Span> prompt;
  ContentId output;         // of at least output_tokens; may be none
  Tokens output_tokens{0};  // for the engine and session models alone
  Tokens max_tokens{0};
  TaskId task{0};
  SloId slo{0};
  int priority = 0;
  std::optional<Duration> cancel_after;

  Tokens prompt_tokens() const {
    Tokens sum{0};
    for (const Span& span : prompt) sum += span.count;
    return sum;
  }
};

struct TraceHeader {
  std::string tool_version;
  std::string made_by;
  std::string name;
  std::uint64_t seed = 0;
  std::string notes;
};

// The tables of names. Ids are dense from 0; id 0 of each exists in every trace the writer made
// (the writer declares "default" where nothing was declared).
struct TraceTables {
  std::vector<Tenant> tenants;
  std::vector<SloClass> slos;
  std::vector<std::string> models;
  std::vector<std::string> tasks;
};

class StoredTrace;

class TraceReader {
 public:
  static Expected<TraceReader> open(const std::string& path);
  // Of a trace in memory (traces/stored_trace.h), which any number of readers share, in any
  // threads. It tells of no contents and no texts.
  static TraceReader over(std::shared_ptr<const StoredTrace> trace);
  TraceReader(TraceReader&&) noexcept;
  TraceReader& operator=(TraceReader&&) noexcept;
  ~TraceReader();

  const TraceHeader& header() const;
  // Complete for every id seen in a request so far; complete altogether once next() gave false.
  const TraceTables& tables() const;
  // Fills `request` with the next one; false at the (verified) end of the file.
  Expected<bool> next(Request& request);
  // Part of the file read so far, 0..1, for progress bars.
  double progress() const;

  // Called with each content's length in order of id, as they are read. Set before next().
  void on_content(std::function<void(ContentId, Tokens)> hear);
  // Called with each content that carries text. Set before next().
  void on_text(std::function<void(ContentId, std::string_view role, std::string_view text)> hear);

 private:
  struct State;
  struct FileState;
  struct StoredState;
  explicit TraceReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Writes `path` by way of `path.partial`; nothing appears under `path` before finish().
class TraceWriter {
 public:
  static Expected<TraceWriter> create(const std::string& path, const TraceHeader& header);
  TraceWriter(TraceWriter&&) noexcept;
  TraceWriter& operator=(TraceWriter&&) noexcept;
  ~TraceWriter();  // without finish(): removes the partial file

  TenantId add_tenant(std::string_view name, std::string_view price_class = "");
  SloId add_slo(const SloClass& slo);  // its id is ignored
  ModelId add_model(std::string_view name);
  TaskId add_task(std::string_view name);
  ContentId add_content(Tokens tokens);
  void add_text(ContentId content, std::string_view role, std::string_view text);
  // REQUIRES: ids it refers to were added; parents precede it; `earliest` (or arrival) does not
  // decrease from one request to the next; the prompt has a token, its spans are not empty and lie
  // within their contents, and so does the output; nothing exceeds kMostTokens, kLatestArrival.
  // Gives its id.
  RequestId add(const Request& request);

  Expected<void> finish();  // footer, sync, rename

 private:
  struct State;
  void declare_defaults();
  explicit TraceWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace scsim
