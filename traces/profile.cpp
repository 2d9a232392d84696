#include "traces/profile.h"

#include <cmath>
#include <utility>

#include "traces/calibration_message.h"
#include "traces/file_header.h"
#include "traces/proto/profile.pb.h"
#include "traces/record_file.h"
#include "traces/text.h"
#include "traces/version.h"

namespace scsim {
namespace {

void fill_fit(const ProfileFit& fit, proto::ProfileFit& message) {
  message.set_method(fit.method);
  message.set_name(valid_utf8(fit.name));
  for (const ProfileCoefficient& coefficient : fit.coefficients) {
    proto::ProfileCoefficient& to = *message.add_coefficients();
    to.set_driver(valid_utf8(coefficient.driver));
    to.set_seconds(coefficient.seconds);
    to.set_standard_error(coefficient.standard_error);
    to.set_least(coefficient.least);
    to.set_most(coefficient.most);
  }
  message.mutable_covariance()->Add(fit.covariance.begin(), fit.covariance.end());
  message.set_samples(fit.samples);
  message.set_share(fit.share);
  for (const HeldOutError& held_out : fit.held_out) {
    proto::ProfileHeldOut& to = *message.add_held_out();
    to.set_what(valid_utf8(held_out.what));
    to.set_samples(held_out.samples);
    to.set_median(held_out.median);
    to.set_p90(held_out.p90);
  }
  for (const WorstSample& worst : fit.worst) {
    proto::ProfileWorst& to = *message.add_worst();
    to.set_where(valid_utf8(worst.where));
    to.set_measured(worst.measured);
    to.set_fitted(worst.fitted);
  }
}

void fill(const Profile& profile, proto::Profile& message) {
  fill_design(profile.design, *message.mutable_design());
  for (const ProfileSource& source : profile.sources) {
    proto::ProfileSource& to = *message.add_sources();
    to.set_path(valid_utf8(source.path));
    to.set_made_by(valid_utf8(source.made_by));
    to.set_commit(valid_utf8(source.commit));
    to.set_samples(source.samples);
    to.set_first_unix_ns(source.first_unix_ns);
    to.set_last_unix_ns(source.last_unix_ns);
  }
  for (const std::string& line : profile.honesty) message.add_honesty(valid_utf8(line));
  for (const ProfileFit& fit : profile.fits) fill_fit(fit, *message.add_fits());
  for (const AccuracyCell& cell : profile.accuracy) {
    proto::ProfileAccuracy& to = *message.add_accuracy();
    to.set_method(cell.method);
    to.set_task(valid_utf8(cell.task));
    to.set_mode(static_cast<proto::CalibrationMode>(cell.mode));
    to.set_turn(cell.turn);
    to.set_tokens(cell.tokens);
    to.set_sessions(cell.sessions);
    to.set_strict(cell.strict);
    to.set_compat(cell.compat);
  }
  for (const AttentionDensity& density : profile.densities) {
    proto::ProfileDensity& to = *message.add_densities();
    to.set_method(density.method);
    to.set_tokens(density.tokens);
    to.set_samples(density.samples);
    to.set_mean(density.mean);
    to.set_deviation(density.deviation);
  }
}

Expected<ProfileFit> take_fit(const proto::ProfileFit& message, int methods) {
  ProfileFit fit{.method = message.method(),
                 .name = message.name(),
                 .coefficients = {},
                 .covariance = {message.covariance().begin(), message.covariance().end()},
                 .samples = message.samples(),
                 .share = message.share(),
                 .held_out = {},
                 .worst = {}};
  if (fit.method < kOperatorFit || fit.method >= methods) {
    return Error{"a fit is of method " + std::to_string(fit.method) + ", but there are " +
                 std::to_string(methods)};
  }
  for (const proto::ProfileCoefficient& from : message.coefficients()) {
    if (!(from.seconds() >= 0) || !std::isfinite(from.seconds())) {
      return Error{"a coefficient of " + fit.name + " is " + format_shortest(from.seconds()) +
                   " s; expected 0 or more"};
    }
    fit.coefficients.push_back(
        {from.driver(), from.seconds(), from.standard_error(), from.least(), from.most()});
  }
  if (fit.covariance.size() != fit.coefficients.size() * fit.coefficients.size())
    return Error{"the covariance of " + fit.name + " does not fit its coefficients"};
  for (const proto::ProfileHeldOut& from : message.held_out())
    fit.held_out.push_back({from.what(), from.samples(), from.median(), from.p90()});
  for (const proto::ProfileWorst& from : message.worst())
    fit.worst.push_back({from.where(), from.measured(), from.fitted()});
  return fit;
}

Expected<Profile> take(const proto::Profile& message) {
  Profile profile;
  Expected<CalibrationDesign> design = take_design(message.design());
  if (!design) return design.error();
  profile.design = *std::move(design);
  const int methods = static_cast<int>(profile.design.methods.size());
  const auto known = [methods](int method) { return method >= 0 && method < methods; };
  for (const proto::ProfileSource& from : message.sources()) {
    profile.sources.push_back({from.path(), from.made_by(), from.commit(), from.samples(),
                               from.first_unix_ns(), from.last_unix_ns()});
  }
  profile.honesty.assign(message.honesty().begin(), message.honesty().end());
  for (const proto::ProfileFit& from : message.fits()) {
    Expected<ProfileFit> fit = take_fit(from, methods);
    if (!fit) return fit.error();
    profile.fits.push_back(*std::move(fit));
  }
  for (const proto::ProfileAccuracy& from : message.accuracy()) {
    const int mode = from.mode();
    if (!known(from.method()) || mode < 0 || mode >= static_cast<int>(kSessionModeNames.size()))
      return Error{"an accuracy is of a method or mode that is not there"};
    profile.accuracy.push_back({from.method(), from.task(), static_cast<SessionMode>(mode),
                                from.turn(), from.tokens(), from.sessions(), from.strict(),
                                from.compat()});
  }
  for (const proto::ProfileDensity& from : message.densities()) {
    if (!known(from.method())) return Error{"a density is of a method that is not there"};
    profile.densities.push_back(
        {from.method(), from.tokens(), from.samples(), from.mean(), from.deviation()});
  }
  return profile;
}

}  // namespace

Expected<void> write_profile(const std::string& path, const Profile& profile,
                             std::string_view made_by) {
  Expected<RecordWriter> writer = RecordWriter::create(path);
  if (!writer) return writer.error();
  proto::ProfileRecord record;
  *record.mutable_header() = to_file_header({.tool_version = std::string(tool_version()),
                                             .made_by = std::string(made_by),
                                             .name = profile.design.model.name,
                                             .seed = 0,
                                             .notes = {}},
                                            kProfileFormat, kProfileVersion);
  writer->append(record);
  fill(profile, *record.mutable_profile());
  writer->append(record);
  record.mutable_footer()->set_records(writer->records());
  writer->append(record);
  return writer->finish();
}

Expected<Profile> read_profile(const std::string& path) {
  Expected<RecordReader> reader = RecordReader::open(path);
  if (!reader) return reader.error();
  proto::ProfileRecord record;
  const auto read = [&]() -> Expected<bool> {
    const Expected<std::string_view> bytes = reader->next();
    if (!bytes) return bytes.error();
    return bytes->data() != nullptr && parse_record(*bytes, record);
  };
  Expected<bool> header = read();
  if (!header) return header.error();
  if (!*header || !record.has_header())
    return Error{path + ": does not begin with a header; it is not a file of SCSim"};
  const auto known = check_file_header(record.header(), kProfileFormat, kProfileVersion, path);
  if (!known) return known.error();
  Expected<bool> body = read();
  if (!body) return body.error();
  if (!*body || !record.has_profile())
    return Error{reader->where() + ": no profile follows the header"};
  Expected<Profile> profile = take(record.profile());
  if (!profile) return Error{reader->where() + ": " + profile.error().message};
  Expected<bool> footer = read();
  if (!footer) return footer.error();
  if (!*footer || !record.has_footer() || record.footer().records() != reader->records() - 1 ||
      !reader->at_end()) {
    return Error{reader->where() + ": the profile does not end with its footer; the file was cut"};
  }
  return profile;
}

}  // namespace scsim
