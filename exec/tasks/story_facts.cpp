#include "exec/tasks/story_facts.h"

#include <algorithm>
#include <array>
#include <map>

#include "exec/tasks/draw.h"
#include "exec/tasks/fill.h"
#include "traces/check.h"
#include "traces/file_tree.h"
#include "traces/json_rows.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

constexpr std::array<std::string_view, 32> kNames = {
    "Mary",  "John",   "Daniel", "Sandra",  "Alice", "Brian", "Carol", "Dennis",
    "Emma",  "Frank",  "Grace",  "Henry",   "Irene", "Jack",  "Karen", "Leon",
    "Nora",  "Oscar",  "Paula",  "Quentin", "Rose",  "Simon", "Tina",  "Victor",
    "Wendy", "Xavier", "Yvonne", "Zoe",     "Bella", "Colin", "Diana", "Edgar"};
constexpr std::string_view kStories = "tasks_1-20_v1-2/en/qa1_single-supporting-fact_test.txt";

using Story = std::vector<std::string>;  // "Mary moved to the bathroom."

// Lines are "NUMBER text"; 1 begins a story, and what does not end in a full stop is a question.
std::vector<Story> parse_stories(const std::string& file) {
  std::vector<Story> stories;
  for (const std::string& line : split(file, '\n')) {
    const std::size_t space = line.find(' ');
    if (space == std::string::npos || !trim(line).ends_with('.')) continue;
    if (line.substr(0, space) == "1") stories.emplace_back();
    if (!stories.empty()) stories.back().emplace_back(trim(line.substr(space + 1)));
  }
  return stories;
}

Expected<std::vector<std::string>> read_verses(const std::string& path) {
  Expected<JsonRows> rows = JsonRows::open(path);
  if (!rows) return rows.error();
  Expected<bool> more = rows->next();
  if (!more) return more.error();
  if (!*more || !rows->row()) return Error{path + ": expected a list of tests with an input"};
  Expected<std::string> input = string_field(*rows->row(), "input");
  if (!input) return Error{path + ": " + input.error().message};
  std::vector<std::string> verses;
  std::string verse;
  for (const std::string& line : split(*input, '\n')) {
    if (!trim(line).empty()) {
      verse += (verse.empty() ? "" : " ") + std::string(trim(line));
      continue;
    }
    // A verse has its number before it; the question and the needle of that test have none.
    const std::size_t space = verse.find(' ');
    if (space != std::string::npos && verse[0] >= '0' && verse[0] <= '9' &&
        verse.find("magic") == std::string::npos) {
      verses.push_back(verse.substr(space + 1));
    }
    verse.clear();
  }
  return verses;
}

// Stories with people of their own, and where each of them is at the end.
struct Told {
  std::vector<Story> stories;
  std::vector<AskedPerson> people;
};

Told rename(std::vector<Story> stories, std::size_t people_needed, Rng& rng) {
  std::vector<std::string_view> names(kNames.begin(), kNames.end());
  shuffle(rng, names);
  shuffle(rng, stories);
  Told told;
  for (Story& story : stories) {
    if (told.people.size() >= people_needed) break;
    std::map<std::string, AskedPerson> last;  // by the name in bAbI
    for (std::string& fact : story) {
      const std::string name = fact.substr(0, fact.find(' '));
      AskedPerson& person = last[name];
      SCSIM_CHECK_LE(told.people.size() + last.size(), names.size());
      if (person.name.empty()) person.name = names[told.people.size() + last.size() - 1];
      fact = person.name + fact.substr(name.size());
      const std::size_t word = fact.rfind(' ') + 1;
      person.place = fact.substr(word, fact.size() - word - 1);  // without the full stop
      person.fact = fact;
    }
    told.stories.push_back(story);
    for (auto& [name, person] : last) told.people.push_back(std::move(person));
  }
  return told;
}

std::string write_text(const Told& told, const std::vector<std::string>& verses, std::size_t first,
                       std::size_t n, Rng rng) {
  std::vector<std::vector<const std::string*>> before(n + 1);  // a verse, or the end
  for (const Story& story : told.stories) {
    const std::vector<std::size_t> at = places(rng, n, story.size());
    for (std::size_t i = 0; i < story.size(); ++i) before[at[i]].push_back(&story[i]);
  }
  std::string text;
  for (std::size_t i = 0; i <= n; ++i) {
    for (const std::string* fact : before[i]) text += *fact + "\n";
    if (i < n) text += verses[(first + i) % verses.size()] + "\n";
  }
  return text;
}

}  // namespace

Expected<StoryContext> tell_stories(std::string_view task, const GenerateRequest& request,
                                    const Material& material, const CountTokens& count) {
  const std::string remedy =
      "SCSIM_DATA names a folder with eval/babi/babi_en_test_20_tasks.tar.zst and "
      "eval/ruler_like/NIAH_120000.json.zst";
  if (material.data.empty()) return missing_material(task, "bAbI and a public-domain book", remedy);
  if (static_cast<std::size_t>(request.turns) > kNames.size() / 2) {
    return Error{std::string(task) + " has people for " + std::to_string(kNames.size() / 2) +
                 " turns; " + std::to_string(request.turns) + " were asked for"};
  }
  auto files = read_file_tree(material.data + "/babi/babi_en_test_20_tasks.tar.zst",
                              [](std::string_view name) { return name == kStories; });
  if (!files) return Error{files.error().message + "; " + remedy};
  std::vector<Story> stories = parse_stories((*files)[std::string(kStories)]);
  if (stories.empty()) return Error{"no stories in " + std::string(kStories)};
  auto verses = read_verses(material.data + "/ruler_like/NIAH_120000.json.zst");
  if (!verses) return Error{verses.error().message + "; " + remedy};

  const std::string stream = "exec.tasks." + std::string(task);
  Rng rng(request.seed, stream, request.session);
  const auto turns = static_cast<std::size_t>(request.turns);
  const Told told = rename(std::move(stories), turns, rng);
  const std::size_t first = rng.below(verses->size());
  const auto build = [&](std::int64_t n) {
    return write_text(told, *verses, first, static_cast<std::size_t>(n),
                      Rng(request.seed, stream + ".places", request.session));
  };
  const Fill what{.task = std::string(task),
                  .records = "verses",
                  .least = 1,
                  .available = static_cast<std::int64_t>(verses->size()),
                  .build = build};
  Expected<std::int64_t> n = fill(what, request, count);
  if (!n) return n.error();
  StoryContext context;
  context.text = build(*n);
  for (const std::size_t i : spread(rng, told.people.size(), turns)) {
    context.asked.push_back(told.people[i]);
  }
  context.provenance = "generated: facts of " + std::to_string(told.stories.size()) +
                       " stories of bAbI task 1, people renamed, between " + std::to_string(*n) +
                       " verses of the King James Bible";
  return context;
}

}  // namespace scsim::exec
