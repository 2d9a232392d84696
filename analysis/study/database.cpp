#include "analysis/study/database.h"

#include "analysis/study/metrics.h"
#include "analysis/study/sqlite.h"
#include "traces/text.h"
#include "traces/version.h"

namespace scsim::analysis {
namespace {

// `"a", "b", "replicate"`, each followed by `suffix`.
std::string key_columns(const Study& study, const std::string& suffix = "") {
  std::string text;
  for (const Axis& axis : study.axes) text += sql_name(axis.name) + suffix + ", ";
  return text + "replicate" + suffix;
}

// A level is kept as a number where its name is that number's own text, so that it reads back.
void bind_level(Statement& statement, const std::string& name) {
  const auto whole = parse_integer(name);
  const auto real = parse_double(name);
  if (whole && std::to_string(*whole) == name)
    statement.bind(*whole);
  else if (real && format_shortest(*real) == name)
    statement.bind(*real);
  else
    statement.bind(name);
}

std::string level_name(const Statement& statement, int column) {
  switch (statement.type(column)) {
    case SQLITE_INTEGER:
      return std::to_string(statement.integer(column));
    case SQLITE_FLOAT:
      return format_shortest(statement.real(column));
    default:
      return statement.text(column);
  }
}

void bind_key(Statement& statement, const Study& study, const Point& point) {
  for (std::size_t a = 0; a < study.axes.size(); ++a)
    bind_level(statement, study.axes[a].levels[point.levels[a]].name);
  statement.bind(std::int64_t{point.replicate});
}

}  // namespace

void StudyDatabase::Close::operator()(sqlite3* database) const { sqlite3_close(database); }

Expected<StudyDatabase> StudyDatabase::open(const std::string& path, const Study& study) {
  sqlite3* opened = nullptr;
  const int code = sqlite3_open(path.c_str(), &opened);
  StudyDatabase database(path, std::unique_ptr<sqlite3, Close>(opened));
  if (code != SQLITE_OK) return Error{path + ": " + sqlite3_errmsg(opened)};
  sqlite3_busy_timeout(opened, 10'000);
  // A process that is killed loses nothing; a machine that loses power may lose the last points,
  // and nobody waits for the disk at every point.
  for (const char* pragma : {"PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL"}) {
    Statement set(opened, path, pragma);
    if (const auto done = set.run(); !done) return done.error();
  }
  Statement begin(opened, path, "BEGIN IMMEDIATE");
  if (const auto begun = begin.run(); !begun) return begun.error();
  Statement tables(opened, path, "SELECT count(*) FROM sqlite_master");
  const auto counted = tables.next();
  if (!counted) return counted.error();
  const bool empty = tables.integer(0) == 0;
  if (const auto fits = empty ? database.create(study) : database.check(study); !fits)
    return fits.error();
  if (const auto noted = database.note(study); !noted) return noted.error();
  Statement commit(opened, path, "COMMIT");
  if (const auto committed = commit.run(); !committed) return committed.error();
  return database;
}

Expected<void> StudyDatabase::create(const Study& study) {
  std::string points = "CREATE TABLE points(" + key_columns(study, " NOT NULL");
  for (const Metric& metric : metric_table()) points += ", " + metric.name + " REAL";
  for (const char* text : StudyDatabase::kTexts) points += std::string(", ") + text + " TEXT";
  const std::string key = ", PRIMARY KEY(" + key_columns(study) + ")) WITHOUT ROWID";
  for (const std::string& sql :
       {std::string("CREATE TABLE study(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID"),
        std::string("CREATE TABLE levels(axis TEXT, level TEXT, settings TEXT, "
                    "PRIMARY KEY(axis, level)) WITHOUT ROWID"),
        std::string("CREATE TABLE files(path TEXT PRIMARY KEY, checksum TEXT) WITHOUT ROWID"),
        points + key,
        "CREATE TABLE wall(" + key_columns(study, " NOT NULL") + ", wall_s REAL" + key}) {
    if (const auto made = Statement(database_.get(), path_, sql).run(); !made) return made;
  }
  const std::pair<const char*, std::string> facts[] = {
      {"format", StudyDatabase::kFormat},
      {"tool_version", std::string(tool_version())},
      {"name", study.name},
      {"axes", study.axis_names()},
      {"common", study.common()}};
  for (const auto& [name, value] : facts) {
    Statement insert(database_.get(), path_, "INSERT INTO study VALUES(?, ?)");
    if (const auto done = insert.bind(std::string_view(name)).bind(value).run(); !done) return done;
  }
  return {};
}

Expected<std::map<std::size_t, JobResult>> StudyDatabase::read(
    const Study& study, const std::vector<Point>& points) const {
  std::map<std::string, std::size_t> places;  // by the names of levels, and the replicate
  for (std::size_t i = 0; i < points.size(); ++i) {
    std::string key = std::to_string(points[i].replicate);
    for (std::size_t a = 0; a < study.axes.size(); ++a)
      key += "\n" + study.axes[a].levels[points[i].levels[a]].name;
    places.emplace(std::move(key), i);
  }
  std::string sql = "SELECT " + key_columns(study);
  for (const Metric& metric : metric_table()) sql += ", points." + metric.name;
  for (const char* text : StudyDatabase::kTexts) sql += std::string(", points.") + text;
  Statement select(database_.get(), path_,
                   sql + ", wall_s FROM points JOIN wall USING(" + key_columns(study) + ")");
  std::map<std::size_t, JobResult> results;
  while (true) {
    const auto more = select.next();
    if (!more) return more.error();
    if (!*more) return results;
    int column = static_cast<int>(study.axes.size());
    std::string key = std::to_string(select.integer(column++));
    for (int a = 0; a < static_cast<int>(study.axes.size()); ++a)
      key += "\n" + level_name(select, a);
    const auto place = places.find(key);
    if (place == places.end()) continue;
    JobResult& result = results[place->second];
    for (std::size_t m = 0; m < metric_table().size(); ++m)
      result.metrics.push_back(select.real(column++));
    result.verdict = select.text(column++);
    result.bottleneck = select.text(column++);
    result.honesty = select.text(column++);
    result.error = select.text(column++);
    result.wall_s = select.real(column++);
    if (!result.error.empty()) result.metrics.clear();
  }
}

Expected<void> StudyDatabase::add(const Study& study, const Point& point, const JobResult& result) {
  const std::size_t keys = study.axes.size() + 1;
  const auto marks = [](std::size_t count) {
    std::string text = "?";
    for (std::size_t i = 1; i < count; ++i) text += ", ?";
    return text;
  };
  if (auto begun = Statement(database_.get(), path_, "BEGIN IMMEDIATE").run(); !begun) return begun;
  // Another process may have had the same point; its row is the same.
  Statement row(database_.get(), path_,
                "INSERT OR IGNORE INTO points VALUES(" +
                    marks(keys + metric_table().size() + std::size(StudyDatabase::kTexts)) + ")");
  bind_key(row, study, point);
  for (std::size_t m = 0; m < metric_table().size(); ++m)
    row.bind(result.metrics.empty() ? std::nan("") : result.metrics[m]);
  for (const std::string* text :
       {&result.verdict, &result.bottleneck, &result.honesty, &result.error})
    row.bind(*text);
  if (auto added = row.run(); !added) return added;
  Statement wall(database_.get(), path_,
                 "INSERT OR IGNORE INTO wall VALUES(" + marks(keys + 1) + ")");
  bind_key(wall, study, point);
  if (auto added = wall.bind(result.wall_s).run(); !added) return added;
  return Statement(database_.get(), path_, "COMMIT").run();
}

}  // namespace scsim::analysis
