// Calibration: what methods did on a real model in real sessions. The executor writes it; the fits
// of the cost models, tables of accuracy and `scexec show` read it.
//
//   auto writer = CalibrationWriter::open("cal.pb", design, made_by);  // or goes on where it was
//   if (!writer) die(writer.error());
//   for (const SampleKey& key : everything_the_design_asks_for) {
//     if (writer->has(key)) continue;                       // measured before the last kill
//     if (auto written = writer->append(measure(key)); !written) die(written.error());
//   }
//   if (auto finished = writer->finish(); !finished) die(finished.error());
//
// Until finish() the file is `cal.pb.partial`, and stays when the program ends or is killed. A
// sample is on disk when append() returns; a kill loses at most the one in flight.
//
// The file format, with the unit of every field, is in traces/proto/calibration.proto.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "traces/expected.h"
#include "traces/session_mode.h"
#include "traces/stage.h"

namespace scsim {

struct CalibrationModel {
  std::string name, family;
  std::int64_t parameters = 0;
  std::string weights_format;  // "gguf Q4_1", "safetensors BF16"
  std::string weights_hash;    // "algorithm:hex" of the weights file
  std::string tokenizer;
  std::string compute_type, kv_type;  // "float32"
  std::int64_t layers = 0, hidden = 0, query_heads = 0, kv_heads = 0, head_dim = 0, vocabulary = 0;
  bool random_weights = false;  // never trained
  // Of `layers` so many are recurrent: they keep state_bytes together whatever the length, and the
  // same again at every saved_every tokens, if that is not 0.
  std::int64_t recurrent_layers = 0, state_bytes = 0, saved_every = 0;
};

struct CalibrationDevice {
  std::string name;
  std::string kind;  // "cpu", "cuda", "server"
  std::string driver, library;
  int threads = 0;
  std::int64_t memory_bytes = 0;
};

struct CalibrationMethod {
  std::string name, preset;
  std::vector<std::pair<std::string, std::string>> parameters;
  bool emulated = false;  // its bytes and seconds are not those of the method
};

struct CalibrationTask {
  std::string name, source;
  std::vector<std::string> notes;
};

// What all samples have in common, and the tables their keys refer to. A run that is resumed must
// have the same design, device, driver, threads and commit included: a sample taken elsewhere is
// a sample of something else.
struct CalibrationDesign {
  CalibrationModel model;
  CalibrationDevice device;
  std::string tool_version, commit, clock;
  std::uint64_t seed = 0;
  std::vector<CalibrationMethod> methods;
  std::vector<CalibrationTask> tasks;
  std::vector<SessionMode> modes;
  std::vector<std::int64_t> lengths;  // tokens of context asked for
  int turns = 0, sessions = 0, repeats = 0, warm_ups = 0;
  std::string prompt_style;
  bool golden_answers = true;
  std::string full_method;  // the one the others are compared with
  std::string server;       // URL; empty: measured on our own runtime
  std::vector<std::string> honesty;
};

// One run of one session: where it stands in the design. The numbers are positions in its tables.
struct SampleKey {
  std::int32_t session = 0, repeat = 0, method = 0, task = 0, mode = 0, length = 0;
  bool warm_up = false;
  friend auto operator<=>(const SampleKey&, const SampleKey&) = default;
};

// What a stage did; seconds are exclusive.
struct StageCost {
  double seconds = 0;
  std::int64_t entries = 0, tokens = 0;
  std::int64_t attended_pairs = 0;  // over all layers and query heads
  double operations = 0;
  std::int64_t bytes_read = 0, bytes_allocated = 0, bytes_freed = 0, bytes_moved = 0;  // of KV
  friend bool operator==(const StageCost&, const StageCost&) = default;
};

struct SampleCost {
  double total_seconds = 0;  // wall time; the stages add up to it (INV-LEDGER)
  PerStage<StageCost> stages{};
  std::int64_t kv_bytes = 0;       // at the end
  std::int64_t peak_kv_bytes = 0;  // at any moment of it
  std::optional<std::int64_t> peak_memory_bytes;
  std::vector<std::pair<std::string, double>> energy_joules;  // by source
  std::vector<std::pair<std::string, double>> covariates;     // the name ends in its unit
  friend bool operator==(const SampleCost&, const SampleCost&) = default;
};

struct AnswerLikelihood {  // of the golden answer
  double nats = 0;         // negative log likelihood, summed
  std::int64_t tokens = 0;
  friend bool operator==(const AnswerLikelihood&, const AnswerLikelihood&) = default;
};

struct FullAgreement {      // with full attention, token by token, on the same prefix
  std::int64_t tokens = 0;  // compared
  std::int64_t agreed = 0;  // both choose the same
  double kl_sum = 0;        // nats, KL(full || this)
  // Of it, by quarters of the answer: token i of n lies in quarter 4 i / n. Absent in files older
  // than the field.
  std::optional<std::array<double, 4>> kl_quarters = std::nullopt;
  friend bool operator==(const FullAgreement&, const FullAgreement&) = default;
};

struct ServerTurn {
  std::vector<double> itl_seconds;
  std::int64_t prompt_tokens = 0, completion_tokens = 0;  // as the server's usage says
  std::optional<std::int64_t> cached_tokens;
  std::string finish_reason;
  std::string error;  // empty: it answered
  friend bool operator==(const ServerTurn&, const ServerTurn&) = default;
};

struct TurnSample {
  int turn = 0;
  std::string sub_task;
  std::int64_t new_tokens = 0, cached_tokens = 0;  // of the prompt; together all of it
  std::int64_t output_tokens = 0, max_new_tokens = 0;
  bool hit_limit = false;
  std::string prediction;
  std::int64_t prediction_bytes_cut = 0;  // that are not kept; see keep_prediction()
  std::vector<std::string> golden;
  std::optional<double> score_compat, score_strict;  // 0..1
  std::optional<AnswerLikelihood> likelihood;
  std::optional<FullAgreement> agreement;
  std::optional<bool> answer_survived;  // the truncation of the context
  std::optional<double> ttft_seconds;   // absent: nothing was produced
  double decode_seconds = 0;            // first token to last
  SampleCost cost;
  std::optional<ServerTurn> server;
  friend bool operator==(const TurnSample&, const TurnSample&) = default;
};

struct SessionSample {
  SampleKey key;
  std::int64_t order = 0;  // position in the random order of the run
  std::int64_t began_unix_ns = 0;
  std::int64_t context_tokens = 0;    // as prefilled
  std::int64_t truncated_tokens = 0;  // cut from its middle
  std::vector<TurnSample> turns;
  // Where the context was prefilled by itself, before any question (multi_request).
  std::optional<SampleCost> context;
  friend bool operator==(const SessionSample&, const SessionSample&) = default;
};

// One operator at one shape.
struct OperatorSample {
  std::string name, implementation, type;
  std::vector<std::int64_t> new_tokens, cached_tokens;  // one per sequence of the batch
  std::int64_t query_heads = 0, kv_heads = 0, head_dim = 0;
  std::vector<std::pair<std::string, std::int64_t>> dimensions;
  std::vector<double> seconds;                     // one per repeat
  std::int64_t bytes_read = 0, bytes_written = 0;  // by one call
  double operations = 0;                           // of one call
  std::int64_t attended_pairs = 0;                 // likewise, over its query heads
  std::optional<double> largest_error;             // against the plain reference
  std::int64_t began_unix_ns = 0;
  friend bool operator==(const OperatorSample&, const OperatorSample&) = default;
};
// Names the operator and its shape, in one line: equal texts, equal shapes.
std::string operator_key(const OperatorSample& sample);

// Puts `text` into the turn, cut to the last whole character of its first `most_bytes`; how much
// is left out is kept beside it.
void keep_prediction(std::string_view text, std::size_t most_bytes, TurnSample& turn);

class CalibrationWriter {
 public:
  // Begins `path.partial`, or goes on with the one that is there: its torn tail is cut off, and its
  // design must be `design`. A finished `path` is never written over.
  static Expected<CalibrationWriter> open(const std::string& path, const CalibrationDesign& design,
                                          std::string_view made_by);
  CalibrationWriter(CalibrationWriter&&) noexcept;
  CalibrationWriter& operator=(CalibrationWriter&&) noexcept;
  ~CalibrationWriter();  // leaves the partial file

  bool has(const SampleKey& key) const;
  bool has_operator(std::string_view operator_key) const;
  std::size_t sessions() const;  // samples there, warm-ups included
  std::size_t operators() const;
  std::size_t resumed() const;          // of both, found there by open()
  std::uint64_t bytes_dropped() const;  // of a torn tail

  // On disk when it returns. REQUIRES: the key lies in the design; has() is false of it.
  Expected<void> append(const SessionSample& sample);
  Expected<void> append(const OperatorSample& sample);
  Expected<void> finish();  // footer, large frames, sync, rename

 private:
  struct State;
  explicit CalibrationWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

using CalibrationItem = std::variant<SessionSample, OperatorSample>;

// Reads one sample at a time. Who gets one may index the design's tables with its key.
class CalibrationReader {
 public:
  static Expected<CalibrationReader> open(const std::string& path);
  // Of a file that is still being written, or was left: as far as it goes.
  static Expected<CalibrationReader> open_partial(const std::string& path);
  CalibrationReader(CalibrationReader&&) noexcept;
  CalibrationReader& operator=(CalibrationReader&&) noexcept;
  ~CalibrationReader();

  const CalibrationDesign& design() const;
  const std::string& made_by() const;
  Expected<bool> next(CalibrationItem& item);  // false at the (verified) end
  double progress() const;
  // Of a partial file that was complete but for its renaming: where its footer's frame begins.
  std::optional<std::uint64_t> footer_offset() const;

 private:
  struct State;
  static Expected<CalibrationReader> open_as(const std::string& path, bool partial);
  explicit CalibrationReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

struct Calibration {
  CalibrationDesign design;
  std::string made_by;
  std::vector<SessionSample> sessions;  // in the order in which they were taken
  std::vector<OperatorSample> operators;
};
Expected<Calibration> read_calibration(const std::string& path);
Expected<Calibration> read_partial_calibration(const std::string& path);

}  // namespace scsim
