#include "exec/train/training.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>

#include "exec/text/tokenizer.h"
#include "exec/train/adamw.h"
#include "exec/train/model_folder.h"
#include "exec/train/network.h"
#include "exec/train/recipe.h"
#include "exec/train/training_rows.h"
#include "traces/check.h"
#include "traces/files.h"
#include "traces/rng.h"
#include "traces/text.h"
#include "traces/yaml_message.h"

namespace scsim::exec {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kWindow = 10;  // steps by whose answers a length is passed
constexpr double kGrowth = 1.25, kShorter = 0.25;
constexpr std::uint64_t kFirstSession = std::uint64_t{1} << 32, kSessionsOfStep = 1 << 20;

const char* const kLogHead = "step,task,length,answers,accuracy,loss\n";

std::string bytes_of(const at::Tensor& tensor) {
  const at::Tensor whole = tensor.detach().contiguous();
  return {static_cast<const char*>(whole.const_data_ptr()), whole.nbytes()};
}

bool read_bytes(const std::string& bytes, const at::Tensor& into) {
  if (bytes.size() != into.nbytes()) return false;
  std::ranges::copy(bytes, static_cast<char*>(into.mutable_data_ptr()));
  return true;
}

}  // namespace

struct Training::State {
  State(const proto::TrainingRecipe& wanted, std::string where, Tokenizer its)
      : recipe(wanted),
        folder(std::move(where)),
        tokenizer(std::move(its)),
        network(network_config(wanted.network(), tokenizer.vocabulary_size()), wanted.seed()),
        optimiser(network.parameters(), {.beta2 = wanted.beta2(),
                                         .weight_decay = wanted.weight_decay(),
                                         .clip = wanted.clip()}) {
    for (const proto::TrainingTask& task : recipe.tasks()) {
      tasks.emplace_back().set_length(task.first_length());
    }
  }

  std::string file(const char* name) const { return folder + "/" + name; }
  std::int64_t steps_done() { return optimiser.steps_done(); }
  double learning_rate();
  Expected<void> learn(int number, double share);
  void note(int number, bool at_full_length, std::int64_t right, std::int64_t asked, double loss);
  void write_log();
  Expected<void> save_checkpoint();
  Expected<void> read_checkpoint();

  proto::TrainingRecipe recipe;
  std::string folder;
  Tokenizer tokenizer;
  Network network;
  AdamW optimiser;
  std::vector<proto::TaskProgress> tasks;  // as recipe.tasks()
  std::string log = kLogHead;
  std::vector<std::string> news;
};

double Training::State::learning_rate() {
  const auto step = static_cast<double>(steps_done()), all = static_cast<double>(recipe.steps());
  const auto warm_up = static_cast<double>(recipe.warmup_steps());
  const auto decay = static_cast<double>(recipe.decay_steps());
  double part = 1;
  if (step < warm_up) part = (step + 1) / warm_up;
  if (all - step < decay) part = std::min(part, (all - step) / decay);
  return recipe.learning_rate() * part;
}

// Adds the gradient of a task's rows.
Expected<void> Training::State::learn(int number, double share) {
  const proto::TrainingTask& task = recipe.tasks(number);
  const auto step = static_cast<std::uint64_t>(steps_done());
  Rng rng(recipe.seed(), "exec.train.length." + task.name(), step);
  const std::uint64_t longest = tasks[static_cast<std::size_t>(number)].length();
  const bool shorter = longest > task.first_length() && rng.chance(kShorter);
  const std::uint64_t length =
      shorter ? task.first_length() + rng.below(longest - task.first_length()) : longest;
  const std::uint64_t turns =
      std::clamp<std::uint64_t>(length / task.tokens_per_turn(), 1, task.turns());
  const Expected<TrainingRows> rows =
      draw_rows({.task = task.name(),
                 .length = static_cast<std::int64_t>(length),
                 .turns = static_cast<int>(turns),
                 .tokens = static_cast<std::int64_t>(task.tokens()),
                 .seed = recipe.seed(),
                 .first_session = kFirstSession + step * kSessionsOfStep},
                tokenizer);
  if (!rows) return rows.error();
  const at::Tensor hidden = network.hidden(rows->tokens);
  const at::Tensor logits = network.logits(hidden.flatten(0, 1).index_select(0, rows->asked));
  const at::Tensor loss = at::cross_entropy_loss(logits, rows->targets);
  (loss * share).backward();
  note(number, !shorter, count_right(*rows, logits.detach().argmax(1)), std::ssize(rows->answers),
       loss.item<double>());
  return {};
}

void Training::State::note(int number, bool at_full_length, std::int64_t right, std::int64_t asked,
                           double loss) {
  const proto::TrainingTask& task = recipe.tasks(number);
  proto::TaskProgress& progress = tasks[static_cast<std::size_t>(number)];
  const auto rights = static_cast<std::uint64_t>(right), all = static_cast<std::uint64_t>(asked);
  progress.set_logged_right(progress.logged_right() + rights);
  progress.set_logged_asked(progress.logged_asked() + all);
  progress.set_logged_steps(progress.logged_steps() + 1);
  progress.set_logged_loss(progress.logged_loss() + loss);
  if (!at_full_length) return;
  progress.add_right(rights);
  progress.add_asked(all);
  if (static_cast<std::size_t>(progress.right_size()) < kWindow) return;
  std::uint64_t window_right = 0, window_asked = 0;
  for (const std::uint64_t count : progress.right()) window_right += count;
  for (const std::uint64_t count : progress.asked()) window_asked += count;
  if (static_cast<double>(window_right) >= task.passes() * static_cast<double>(window_asked) &&
      progress.length() < task.length()) {
    const auto grown = static_cast<std::uint64_t>(static_cast<double>(progress.length()) * kGrowth);
    progress.set_length(std::min(task.length(), grown + 1));
    progress.clear_right();
    progress.clear_asked();
  } else {  // the oldest goes
    progress.mutable_right()->erase(progress.right().begin());
    progress.mutable_asked()->erase(progress.asked().begin());
  }
}

void Training::State::write_log() {
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    proto::TaskProgress& progress = tasks[i];
    if (progress.logged_steps() == 0) continue;
    const std::string& name = recipe.tasks(static_cast<int>(i)).name();
    const double accuracy =
        static_cast<double>(progress.logged_right()) / static_cast<double>(progress.logged_asked());
    const double loss = progress.logged_loss() / static_cast<double>(progress.logged_steps());
    const std::string step = std::to_string(steps_done());
    const std::string length = std::to_string(progress.length());
    log += step + "," + name + "," + length + "," + std::to_string(progress.logged_asked()) + "," +
           format_fixed(accuracy, 4) + "," + format_fixed(loss, 4) + "\n";
    news.push_back("step " + step + "  " + name + "  contexts of up to " + length + " tokens, " +
                   format_percent(accuracy) + " of " +
                   format_integer(static_cast<std::int64_t>(progress.logged_asked())) +
                   " answers, loss " + format_fixed(loss, 4));
    progress.clear_logged_right();
    progress.clear_logged_asked();
    progress.clear_logged_steps();
    progress.clear_logged_loss();
  }
}

Expected<void> Training::State::save_checkpoint() {
  proto::TrainingCheckpoint checkpoint;
  checkpoint.set_recipe(write_yaml(recipe));
  checkpoint.set_steps_done(static_cast<std::uint64_t>(steps_done()));
  for (const proto::TaskProgress& task : tasks) *checkpoint.add_tasks() = task;
  for (const auto& [name, value] : network.parameters()) {
    proto::ParameterState& state = *checkpoint.add_parameters();
    const AdamW::Moments& moments = optimiser.moments().at(name);
    state.set_name(name);
    state.set_value(bytes_of(value));
    state.set_mean(bytes_of(moments.mean));
    state.set_square(bytes_of(moments.square));
  }
  checkpoint.set_log(log);
  if (auto done = write_file(file("training_log.csv"), log); !done) return done;
  return write_file(file("checkpoint.pb"), checkpoint.SerializeAsString());
}

Expected<void> Training::State::read_checkpoint() {
  const std::string path = file("checkpoint.pb");
  if (!fs::exists(path)) return {};
  const Expected<std::string> bytes = read_file(path);
  if (!bytes) return bytes.error();
  proto::TrainingCheckpoint checkpoint;
  const Error damaged{path + ": is not a checkpoint of `scexec train`, or a damaged one"};
  if (!checkpoint.ParseFromString(*bytes)) return damaged;
  if (checkpoint.recipe() != write_yaml(recipe)) {
    return Error{path +
                 ": is of another recipe; expected that of this training (remove it to "
                 "begin anew)"};
  }
  if (checkpoint.tasks_size() != recipe.tasks_size() ||
      static_cast<std::size_t>(checkpoint.parameters_size()) != network.parameters().size()) {
    return damaged;
  }
  tasks.assign(checkpoint.tasks().begin(), checkpoint.tasks().end());
  for (const proto::ParameterState& state : checkpoint.parameters()) {
    const auto found = network.parameters().find(state.name());
    if (found == network.parameters().end()) return damaged;
    const AdamW::Moments& moments = optimiser.moments().at(state.name());
    const bool read = read_bytes(state.value(), found->second.detach()) &&
                      read_bytes(state.mean(), moments.mean) &&
                      read_bytes(state.square(), moments.square);
    if (!read) return damaged;
  }
  optimiser.steps_done() = static_cast<std::int64_t>(checkpoint.steps_done());
  log = checkpoint.log();
  return {};
}

Training::Training(std::unique_ptr<State> state) : state_(std::move(state)) {}
Training::Training(Training&&) noexcept = default;
Training& Training::operator=(Training&&) noexcept = default;
Training::~Training() = default;

std::int64_t Training::steps_done() const { return state_->steps_done(); }
std::int64_t Training::steps() const { return static_cast<std::int64_t>(state_->recipe.steps()); }
std::int64_t Training::parameters() const { return state_->network.config().parameters(); }
const std::vector<std::string>& Training::news() const { return state_->news; }

Expected<Training> Training::begin(const proto::TrainingRecipe& recipe, const std::string& folder) {
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed) return Error{folder + ": " + failed.message()};
  // Both of them: it was killed while it put an end to it, and does that again.
  if (fs::exists(folder + "/model.safetensors") && !fs::exists(folder + "/checkpoint.pb")) {
    return Error{folder +
                 ": model.safetensors is there already; expected a folder without a model "
                 "(--out names another)"};
  }
  const std::string path = folder + "/tokenizer.json";
  if (auto done = write_file(path, symbol_tokenizer_json()); !done) return done.error();
  Expected<Tokenizer> tokenizer = load_tokenizer_json(path);
  if (!tokenizer) return tokenizer.error();
  auto state = std::make_unique<State>(recipe, folder, *std::move(tokenizer));
  if (auto done = state->read_checkpoint(); !done) return done.error();
  return Training(std::move(state));
}

Expected<void> Training::step() {
  SCSIM_CHECK(!finished());
  State& state = *state_;
  state.news.clear();
  const auto learns = [&](const proto::TrainingTask& task) {
    return static_cast<std::uint64_t>(state.steps_done()) >= task.from_step();
  };
  double tokens = 0;
  for (const proto::TrainingTask& task : state.recipe.tasks()) {
    if (learns(task)) tokens += static_cast<double>(task.tokens());
  }
  for (int i = 0; i < state.recipe.tasks_size(); ++i) {
    const proto::TrainingTask& task = state.recipe.tasks(i);
    if (!learns(task)) continue;
    if (auto done = state.learn(i, static_cast<double>(task.tokens()) / tokens); !done) return done;
  }
  state.optimiser.step(state.learning_rate());
  const auto done = static_cast<std::uint64_t>(state.steps_done());
  const bool last = finished();
  if (last || done % state.recipe.log_every() == 0) state.write_log();
  if (last) {
    if (auto saved = write_file(state.file("training_log.csv"), state.log); !saved) return saved;
    auto saved = save_model(state.folder, state.network.config(), state.network.parameters());
    if (saved) fs::remove(state.file("checkpoint.pb"));
    return saved;
  }
  return done % state.recipe.checkpoint_every() == 0 ? state.save_checkpoint() : Expected<void>();
}

}  // namespace scsim::exec
