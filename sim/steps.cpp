#include "sim/steps.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "sim/scheduler.h"
#include "traces/text.h"

namespace scsim::sim {
namespace {

using Json = nlohmann::ordered_json;

struct Entry {
  std::string id;
  std::int64_t arrival_step = 0, output_tokens = 0;
  std::vector<Span> prompt;
  ContentId output;  // "out:ID", which other prompts may name
  std::int32_t priority = 0;
  std::uint64_t salt = 0;  // 0: none
  std::uint64_t rank = 0;  // of its id among all ids: the last word on who goes first
};

// Collects the first problem; every accessor gives a harmless value after one.
class Fields {
 public:
  Fields(const Json& object, std::string where, std::vector<std::string> known,
         std::string& problem)
      : object_(object), where_(std::move(where)), known_(std::move(known)), problem_(problem) {
    if (!object_.is_object()) {
      fail(where_ + ": expected an object");
      return;
    }
    for (const auto& [key, value] : object_.items()) {
      if (std::ranges::find(known_, key) == known_.end()) {
        fail(where_ + ": " + unknown_name("key", key, known_));
      }
    }
  }
  std::int64_t integer(const std::string& key, std::int64_t least,
                       std::optional<std::int64_t> absent = {}) {
    if (!object_.contains(key)) {
      if (!absent) fail(where_ + ": " + key + " is missing");
      return absent.value_or(least);
    }
    const Json& value = object_.at(key);
    if (!value.is_number_integer() || value.get<std::int64_t>() < least) {
      fail(where_ + ": " + key + ": expected an integer of at least " + format_integer(least) +
           ", got " + value.dump());
      return least;
    }
    return value.get<std::int64_t>();
  }
  double fraction(const std::string& key, double absent) {
    if (!object_.contains(key)) return absent;
    const Json& value = object_.at(key);
    if (!value.is_number() || value.get<double>() < 0 || value.get<double>() >= 1) {
      fail(where_ + ": " + key + ": expected a number from 0 to below 1, got " + value.dump());
      return absent;
    }
    return value.get<double>();
  }
  bool boolean(const std::string& key, bool absent) {
    if (!object_.contains(key)) return absent;
    if (!object_.at(key).is_boolean())
      fail(where_ + ": " + key + ": expected true or false, got " + object_.at(key).dump());
    return object_.at(key) == true;
  }
  std::string text(const std::string& key, const std::optional<std::string>& absent = {}) {
    if (!object_.contains(key) || object_.at(key).is_null()) {
      if (!absent) fail(where_ + ": " + key + " is missing");
      return absent.value_or("");
    }
    if (!object_.at(key).is_string()) {
      fail(where_ + ": " + key + ": expected a string, got " + object_.at(key).dump());
      return "";
    }
    return object_.at(key).get<std::string>();
  }
  const Json& list(const std::string& key) {
    static const Json empty = Json::array();
    if (!object_.is_object() || !object_.contains(key) || !object_.at(key).is_array()) {
      fail(where_ + ": " + key + ": expected a list");
      return empty;
    }
    return object_.at(key);
  }
  void fail(const std::string& message) {
    if (problem_.empty()) problem_ = message;
  }

 private:
  const Json& object_;
  std::string where_;
  std::vector<std::string> known_;
  std::string& problem_;
};

struct Scenario {
  EngineKnobs knobs;
  std::int64_t num_blocks = 0, max_model_len = 0;
  std::vector<Entry> requests;
};

Expected<Scenario> parse(const std::string& text, const std::string& name,
                         const EngineKnobs& preset) {
  const Json root = Json::parse(text, nullptr, false);
  if (root.is_discarded()) return Error{name + ": not valid JSON"};
  std::string problem;
  Scenario scenario;
  EngineKnobs& knobs = scenario.knobs = preset;
  Fields fields(
      root, name,
      {"name", "block_size", "num_blocks", "max_num_batched_tokens", "max_num_seqs", "policy",
       "long_prefill_token_threshold", "watermark", "scheduler_reserve_full_isl",
       "prefill_schedule_interval", "max_model_len", "requests"},
      problem);
  if (!problem.empty()) return Error{problem};
  knobs.block_tokens = fields.integer("block_size", 1);
  scenario.num_blocks = fields.integer("num_blocks", 2);
  knobs.max_batched_tokens = fields.integer("max_num_batched_tokens", 1);
  knobs.max_sequences = fields.integer("max_num_seqs", 1);
  knobs.long_prefill_threshold =
      fields.integer("long_prefill_token_threshold", 0, knobs.long_prefill_threshold);
  knobs.watermark = fields.fraction("watermark", knobs.watermark);
  knobs.reserve_full_prompt =
      fields.boolean("scheduler_reserve_full_isl", knobs.reserve_full_prompt);
  knobs.prefill_interval = fields.integer("prefill_schedule_interval", 1, knobs.prefill_interval);
  scenario.max_model_len = fields.integer("max_model_len", 1, 65536);
  const std::string policy = fields.text("policy", "fcfs");
  if (policy == "priority") {
    knobs.order = EngineKnobs::Order::kPriority;
  } else if (policy != "fcfs") {
    fields.fail(name + ": policy: expected \"fcfs\" or \"priority\", got \"" + policy + "\"");
  }

  std::map<std::string, std::uint64_t> contents, salts;
  const auto number = [](std::map<std::string, std::uint64_t>& names, const std::string& key) {
    return names.try_emplace(key, names.size() + 1).first->second;
  };
  std::map<std::string, int> ids;
  for (const Json& item : fields.list("requests")) {
    const std::string where = name + ": requests[" + std::to_string(scenario.requests.size()) + "]";
    Fields request(item, where,
                   {"id", "arrival_step", "prompt", "output_tokens", "priority", "salt"}, problem);
    if (!problem.empty()) break;
    Entry entry;
    entry.id = request.text("id");
    if (++ids[entry.id] > 1) request.fail(where + ": id \"" + entry.id + "\" is there twice");
    entry.arrival_step = request.integer("arrival_step", 1);
    entry.output_tokens = request.integer("output_tokens", 1);
    entry.priority = static_cast<std::int32_t>(
        request.integer("priority", std::numeric_limits<std::int32_t>::min(), 0));
    if (const std::string salt = request.text("salt", ""); !salt.empty())
      entry.salt = number(salts, salt);
    for (const Json& span : request.list("prompt")) {
      if (!span.is_array() || span.size() != 3 || !span[0].is_string() ||
          !span[1].is_number_unsigned() || !span[2].is_number_unsigned()) {
        request.fail(where + ": prompt: expected [content, first token, count], got " +
                     span.dump());
        break;
      }
      entry.prompt.push_back({ContentId(number(contents, span[0].get<std::string>())),
                              Tokens(span[1].get<std::int64_t>()),
                              Tokens(span[2].get<std::int64_t>())});
    }
    scenario.requests.push_back(std::move(entry));
  }
  if (!problem.empty()) return Error{problem};
  std::uint64_t rank = 0;
  for (auto& [id, place] : ids) place = static_cast<int>(rank++);
  for (Entry& entry : scenario.requests) {
    entry.output = ContentId(number(contents, "out:" + entry.id));
    entry.rank = static_cast<std::uint64_t>(ids[entry.id]);
  }
  std::ranges::stable_sort(scenario.requests, {}, &Entry::arrival_step);
  return scenario;
}

// Runs the scenario one step at a time and writes what each decided.
class Run final : private Scheduler::Listener {
 public:
  explicit Run(const Scenario& scenario)
      : scenario_(scenario),
        // One block of the pool is vLLM's own null block.
        scheduler_(scenario.knobs, scenario.num_blocks - 1, scenario.max_model_len) {}

  Expected<std::vector<std::string>> log(const std::string& name, const EnginePreset& preset) {
    std::vector<std::string> lines;
    std::size_t arrived = 0;
    std::int64_t step = 0, idle = 0, found = 0, preemptions = 0, prompt_tokens = 0;
    while (arrived < scenario_.requests.size() || scheduler_.running() + scheduler_.waiting() > 0) {
      ++step;
      while (arrived < scenario_.requests.size() &&
             scenario_.requests[arrived].arrival_step <= step) {
        add(arrived++, prompt_tokens);
      }
      const TimePoint now(step);
      const bool any = scheduler_.plan(now);
      if (const auto endless = scheduler_.endless();
          endless && arrived == scenario_.requests.size()) {
        return Error{name + ": from step " + format_integer(step) + " on at the latest requests " +
                     id(endless->first) + " and " + id(endless->second) +
                     " preempt each other for ever; set scheduler_reserve_full_isl: true, or give "
                     "them more blocks (num_blocks)"};
      }
      Json line;
      line["step"] = step;
      line["scheduled"] = Json::object();
      if (any) {
        for (const auto& [job, tokens] : scheduler_.scheduled_tokens())
          line["scheduled"][id(job)] = tokens;
      }
      line["new"] = Json::array();
      line["resumed"] = Json::array();
      for (const Step::Admitted& admitted : scheduler_.step().admitted) {
        line[admitted.resumed ? "resumed" : "new"].push_back({id(admitted.job), admitted.found});
        if (!admitted.resumed) found += admitted.found;
      }
      std::vector<std::string> preempted;
      for (const JobId job : scheduler_.step().preempted) preempted.push_back(id(job));
      std::ranges::sort(preempted);
      preemptions += static_cast<std::int64_t>(preempted.size());
      line["preempted"] = preempted;
      finished_.clear();
      if (any) scheduler_.complete(1, now, *this);
      std::ranges::sort(finished_);
      line["finished"] = finished_;
      line["free"] = scheduler_.pool().free_blocks();
      lines.push_back(line.dump(-1, ' ', true));
      idle = any ? 0 : idle + 1;
      if (idle > 1000) {
        return Error{name + ": nothing was scheduled for 1,000 steps from step " +
                     std::to_string(step - 1000) + " on; " + format_integer(scheduler_.waiting()) +
                     " requests wait, the first of them for memory"};
      }
    }
    Json totals;
    totals["steps"] = step;
    totals["requests"] = scenario_.requests.size();
    totals["prompt_tokens"] = prompt_tokens;
    totals["found_tokens"] = found;
    totals["preemptions"] = preemptions;
    totals[preset.name] = preset.version;
    lines.push_back(totals.dump());
    return lines;
  }

 private:
  const std::string& id(JobId job) const { return scenario_.requests[scheduler_.tag(job)].id; }
  void first_token(JobId) override {}
  void finished(JobId job) override { finished_.push_back(id(job)); }

  void add(std::size_t index, std::int64_t& prompt_tokens) {
    const Entry& entry = scenario_.requests[index];
    for (const Span& span : entry.prompt) prompt_tokens += span.count.value();
    JobSpec spec;
    spec.tag = index;
    spec.prompt = entry.prompt;
    spec.output = entry.output;
    spec.output_tokens = spec.max_tokens = entry.output_tokens;
    spec.salt = entry.salt;
    spec.priority = entry.priority;
    spec.arrival = entry.arrival_step;
    spec.tie = entry.rank;
    scheduler_.add(spec);
  }

  const Scenario& scenario_;
  Scheduler scheduler_;
  std::vector<std::string> finished_;
};

}  // namespace

Expected<std::vector<std::string>> run_steps(const std::string& scenario_json,
                                             const std::string& name, const EnginePreset& preset) {
  Expected<Scenario> scenario = parse(scenario_json, name, preset.knobs);
  if (!scenario) return scenario.error();
  return Run(*scenario).log(name, preset);
}

}  // namespace scsim::sim
