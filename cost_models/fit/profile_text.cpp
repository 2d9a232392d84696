#include "cost_models/fit/profile_text.h"

#include <algorithm>
#include <set>
#include <vector>

#include "cost_models/step_drivers.h"
#include "traces/report/text_table.h"
#include "traces/text.h"

namespace scsim::cost_models {
namespace {

// Beyond this share of its own size an error says that a coefficient is not known.
constexpr double kUnknownError = 0.5;

std::string coefficient_text(const ProfileCoefficient& coefficient) {
  const std::string& driver = coefficient.driver;
  std::string text;
  if (driver.starts_with("bytes_")) {
    text = format_bytes(1 / coefficient.seconds) + "/s of " + driver;
  } else if (driver == "turns" || driver == "entries") {
    text = format_seconds(coefficient.seconds) + (driver == "turns" ? " a turn" : " an entry");
  } else if (driver.starts_with("tokens")) {
    text = format_seconds(coefficient.seconds) + " a token";
    std::string range = driver.substr(6);
    std::ranges::replace(range, '_', ' ');
    if (range.starts_with(" to ")) range = " up" + range;
    text += range;
  } else if (driver.starts_with("more_than_")) {
    text = format_seconds(coefficient.seconds) + " for " + driver;
    std::ranges::replace(text, '_', ' ');
  } else if (driver == "steps" || driver == "sequences" || driver == "sampled") {
    text = format_seconds(coefficient.seconds) + " a " +
           (driver == "steps"       ? "step"
            : driver == "sequences" ? "sequence"
                                    : "sampled token");
  } else {
    text = format_rate(1 / coefficient.seconds) + " of " + driver;
  }
  const double error = coefficient.standard_error / coefficient.seconds;
  return text + " (± " + format_percent(error) + (error > kUnknownError ? ", not known" : "") + ")";
}

std::string held_out_text(const ProfileFit& fit, const std::string& what) {
  const auto at = std::ranges::find(fit.held_out, what, &HeldOutError::what);
  if (at == fit.held_out.end()) return "-";
  return format_percent(at->median) + " " + format_percent(at->p90);
}

std::string coefficients_text(const ProfileFit& fit) {
  std::string text;
  for (const ProfileCoefficient& coefficient : fit.coefficients) {
    if (coefficient.seconds <= 0) continue;
    text += (text.empty() ? "" : " + ") + coefficient_text(coefficient);
  }
  return text.empty() ? std::string("nothing explains it") : text;
}

// Of the method's stages, or of whole steps, or of operators alone.
std::string fits_text(const Profile& profile, int method, bool steps = false) {
  const bool stages = method != kOperatorFit && !steps;
  const std::string third = stages ? "session" : "batch";
  std::vector<std::string> header = {stages  ? "stage"
                                     : steps ? "step"
                                             : "operator",
                                     "share", "samples", "length 50 90", third + " 50 90"};
  if (stages) header.emplace_back("method 50 90");
  TextTable table(header);
  std::string lines, worst;
  bool any = false;
  for (const ProfileFit& fit : profile.fits) {
    if (fit.method != method || (fit.name == kEngineStep) != steps) continue;
    if (fit.name == kCompressionOfPrompts) continue;  // the stage compression in fewer words
    any = true;
    std::vector<std::string> row = {fit.name, stages ? format_percent(fit.share) : "-",
                                    format_integer(fit.samples), held_out_text(fit, "length"),
                                    held_out_text(fit, third)};
    if (stages) row.push_back(held_out_text(fit, "method"));
    table.add(std::move(row));
    if (stages && fit.share < kNegligibleShare) continue;
    lines += wrapped("  " + fit.name + " = ", coefficients_text(fit));
    if (fit.worst.empty()) continue;
    worst += wrapped("  furthest off, " + fit.name + ": ",
                     fit.worst[0].where + ": " + format_seconds(fit.worst[0].measured) +
                         " measured, " + format_seconds(fit.worst[0].fitted) + " fitted");
  }
  return any ? table.text(2) + lines + worst : "";
}

std::string label_of(const Profile& profile, int method) {
  if (method == kOperatorFit) return "operator";
  return method_label(profile.design.methods[static_cast<std::size_t>(method)]);
}

std::string accuracy_text(const Profile& profile) {
  if (profile.accuracy.empty())
    return "accuracy unknown: none was measured; reports will speak of answers within the SLO\n";
  std::set<std::string> tasks;
  std::set<std::int64_t> lengths;
  std::int64_t least_sessions = profile.accuracy.front().sessions;
  for (const AccuracyCell& cell : profile.accuracy) {
    tasks.insert(cell.task);
    lengths.insert(cell.tokens);
    least_sessions = std::min(least_sessions, cell.sessions);
  }
  std::string names;
  for (const std::string& task : tasks) names += (names.empty() ? "" : ", ") + task;
  return wrapped("accuracy: ", format_integer(std::ssize(profile.accuracy)) + " cells of " +
                                   format_integer(least_sessions) + " sessions or more, " +
                                   format_integer(*lengths.begin()) + " to " +
                                   format_integer(*lengths.rbegin()) + " tokens of " + names);
}

}  // namespace

std::string method_label(const CalibrationMethod& method) {
  std::string label = method.name;
  if (!method.preset.empty()) label += " preset=" + method.preset;
  for (const auto& [name, value] : method.parameters) {
    if (!value.empty()) label.append(" ").append(name).append("=").append(value);
  }
  return label;
}

std::string profile_text(const Profile& profile) {
  const CalibrationDesign& design = profile.design;
  std::string text =
      wrapped("", design.model.name + " (" + design.model.weights_format + ") on " +
                      design.device.name + ", " + std::to_string(design.device.threads) +
                      " threads, " + design.model.compute_type);
  for (const ProfileSource& source : profile.sources) {
    text += wrapped("from ", source.path + ": " + format_integer(source.samples) +
                                 " samples, commit " + source.commit.substr(0, 12));
  }
  for (const std::string& line : profile.honesty) text += wrapped("note: ", line);
  text +=
      "Held out: median and 90 % quantile of relative errors of predictions by fits without that "
      "length,\nsession, batch size, or by fits to the other methods.\n";
  for (std::size_t m = 0; m < design.methods.size(); ++m) {
    text += "\n" + wrapped("", method_label(design.methods[m]));
    text += fits_text(profile, static_cast<int>(m));
    text += fits_text(profile, static_cast<int>(m), true);
    for (const AttentionDensity& density : profile.densities) {
      if (density.method != static_cast<int>(m) || density.mean > 0.9999) continue;
      text += wrapped("  attended at " + format_integer(density.tokens) + " tokens: ",
                      format_percent(density.mean) + " of causal pairs, deviation " +
                          format_percent(density.deviation) + " over " +
                          format_integer(density.samples) + " prefills");
    }
  }
  if (std::ranges::find(profile.fits, kOperatorFit, &ProfileFit::method) != profile.fits.end())
    text += "\noperators\n" + fits_text(profile, kOperatorFit);
  return text + "\n" + accuracy_text(profile);
}

std::string residuals_csv(const Profile& profile, const std::vector<Residual>& residuals) {
  std::string csv = "method,fit,sample,measured,fitted,drivers\n";
  for (const Residual& residual : residuals) {
    std::string drivers;
    for (const auto& [name, value] : residual.drivers)
      drivers += (drivers.empty() ? "" : " ") + name + "=" + format_shortest(value);
    csv += csv_field(label_of(profile, residual.method)) + "," + csv_field(residual.fit) + "," +
           csv_field(residual.where) + "," + format_shortest(residual.measured) + "," +
           format_shortest(residual.fitted) + "," + csv_field(drivers) + "\n";
  }
  return csv;
}

std::string profile_csv(const Profile& profile) {
  std::string csv = "method,fit,what,name,value\n";
  const auto add = [&csv](const std::string& method, const std::string& fit,
                          const std::string& what, const std::string& name, double value) {
    csv += csv_field(method) + "," + csv_field(fit) + "," + what + "," + csv_field(name) + "," +
           format_shortest(value) + "\n";
  };
  const auto label = [&profile](int method) { return label_of(profile, method); };
  for (const ProfileFit& fit : profile.fits) {
    const std::string method = label(fit.method);
    add(method, fit.name, "samples", "", static_cast<double>(fit.samples));
    add(method, fit.name, "share", "", fit.share);
    for (const ProfileCoefficient& coefficient : fit.coefficients) {
      add(method, fit.name, "seconds", coefficient.driver, coefficient.seconds);
      add(method, fit.name, "standard_error", coefficient.driver, coefficient.standard_error);
      add(method, fit.name, "least", coefficient.driver, coefficient.least);
      add(method, fit.name, "most", coefficient.driver, coefficient.most);
    }
    for (const HeldOutError& error : fit.held_out) {
      add(method, fit.name, "held_out_median", error.what, error.median);
      add(method, fit.name, "held_out_p90", error.what, error.p90);
    }
    for (const WorstSample& worst : fit.worst) {
      add(method, fit.name, "worst_measured", worst.where, worst.measured);
      add(method, fit.name, "worst_fitted", worst.where, worst.fitted);
    }
  }
  for (const AttentionDensity& density : profile.densities) {
    const std::string tokens = format_shortest(static_cast<double>(density.tokens));
    add(label(density.method), "density", "mean", tokens, density.mean);
    add(label(density.method), "density", "deviation", tokens, density.deviation);
  }
  for (const AccuracyCell& cell : profile.accuracy) {
    const std::string where =
        cell.task + " " + std::string(kSessionModeNames[static_cast<std::size_t>(cell.mode)]) +
        " turn " + std::to_string(cell.turn + 1) + " tokens " + std::to_string(cell.tokens);
    add(label(cell.method), "accuracy", "strict", where, cell.strict);
    add(label(cell.method), "accuracy", "compat", where, cell.compat);
    add(label(cell.method), "accuracy", "sessions", where, static_cast<double>(cell.sessions));
  }
  return csv;
}

}  // namespace scsim::cost_models
