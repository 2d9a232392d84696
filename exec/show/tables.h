// What a calibration says, as rows: scores per task, mode, length, method and turn; costs per mode,
// length, method and turn; operators. All forms of output (text, CSV, JSON, HTML) print these.
//
//   auto calibration = read_calibration("cal.pb");
//   Tables tables = make_tables(*calibration, "cal.pb");
//   std::fputs(tables_text(tables).c_str(), stdout);
//
// Warm-ups are left out. `notes` say what sticks to every number here: random weights, emulation, a
// run that is not complete; task_notes() what sticks to the scores of a task, such as where its
// text comes from.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "exec/show/statistics.h"
#include "traces/calibration.h"

namespace scsim::exec {

inline constexpr int kAllTurns = -1;
inline constexpr int kContext = -2;  // the context by itself, before any question

struct Cell {
  std::string task, mode, method;  // of mixed tasks "task/sub-task"; of costs no task
  std::int64_t length = 0;         // tokens of context asked for
  int turn = kAllTurns;            // from 0
};
std::string turn_name(int turn);  // "1", ..., "all", "context"

struct ScoreRow {
  Cell cell;
  std::optional<Mean> strict, compat;
  // Minus full attention's on the same sessions; absent for full attention itself.
  std::optional<Mean> strict_gain, compat_gain;
  std::optional<Mean> nll;        // nats per token of the golden answer
  std::optional<Mean> nll_gain;   // nats per token, minus full attention's
  std::optional<Mean> agreement;  // share of tokens at which it chooses as full attention does
  std::optional<Mean> kl;         // nats per token, KL(full || this)
  std::int64_t answers_cut = 0;   // samples whose answer did not survive the truncation
};

struct StageRow {
  Spread seconds;
  double tokens_per_second = 0;  // all tokens over all seconds; 0: it has none
  double tokens = 0, attended_pairs = 0, operations = 0;                         // means
  double bytes_read = 0, bytes_allocated = 0, bytes_freed = 0, bytes_moved = 0;  // likewise
};

struct CostRow {
  Cell cell;
  bool emulated = false;
  Spread total, ttft, decode;           // seconds
  double decode_tokens_per_second = 0;  // after the first token
  PerStage<StageRow> stages{};
  double new_tokens = 0, cached_tokens = 0, output_tokens = 0;  // means
  double kv_bytes = 0, peak_kv_bytes = 0;                       // means
  // Of a server: seconds between two pieces of its stream, over all answers, and the mean of the
  // cached tokens, where it says them.
  Spread itl;
  std::optional<double> said_cached;
  std::optional<double> joules;  // mean, all sources
  std::optional<Mean> seconds;   // total, over sessions
};

struct OperatorRow {
  std::string key;
  Spread seconds;
  double bytes_per_second = 0, operations_per_second = 0;  // at the median
};

struct Tables {
  std::string path;
  CalibrationDesign design;
  std::vector<std::string> methods;  // labels, in order of the design
  std::vector<std::string> notes;
  std::size_t sessions = 0, warm_ups = 0, planned = 0;
  std::vector<ScoreRow> scores;
  std::vector<CostRow> costs;
  std::vector<OperatorRow> operators;
};

// What tells the methods apart, in the design's order: name, preset, and of several alike the
// parameters in which they differ.
std::vector<std::string> method_labels(const CalibrationDesign& design);

// `task` as a Cell has it.
std::vector<std::string> task_notes(const CalibrationDesign& design, std::string_view task);
// The notes of the run and of all tasks.
std::vector<std::string> score_notes(const Tables& tables);

Tables make_tables(const Calibration& calibration, std::string path, bool partial = false);

std::string tables_text(const Tables& tables);  // at most 100 columns
// One number a line: file, table, cell, what it is, value, interval, notes.
std::string tables_csv(const std::vector<Tables>& files);
std::string tables_json(const std::vector<Tables>& files);
std::string tables_html(const std::vector<Tables>& files);

}  // namespace scsim::exec
