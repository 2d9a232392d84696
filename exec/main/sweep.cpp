#include "exec/main/sweep.h"

#include <optional>
#include <utility>

#include "traces/program/terminal.h"

namespace scsim::exec {

Expected<std::vector<OperatorSample>> sweep(
    std::vector<OperatorSample> plan, const std::string& noun, const std::string& out,
    const CalibrationDesign& design, const std::string& made_by,
    const std::function<Expected<void>(OperatorSample&)>& measure) {
  std::optional<CalibrationWriter> writer;
  if (!out.empty()) {
    Expected<CalibrationWriter> opened = CalibrationWriter::open(out, design, made_by);
    if (!opened) return opened.error();
    writer.emplace(*std::move(opened));
  }
  std::vector<OperatorSample> taken;
  program::Progress progress("measuring", noun, true);
  for (OperatorSample& sample : plan) {
    if (writer && writer->has_operator(operator_key(sample))) continue;
    if (const auto done = measure(sample); !done) return done.error();
    if (writer) {
      if (const auto written = writer->append(sample); !written) return written.error();
    }
    taken.push_back(std::move(sample));
    progress.update(static_cast<double>(taken.size()) / static_cast<double>(plan.size()),
                    taken.size());
  }
  progress.done();
  if (writer) {
    if (const auto finished = writer->finish(); !finished) return finished.error();
  }
  return taken;
}

}  // namespace scsim::exec
