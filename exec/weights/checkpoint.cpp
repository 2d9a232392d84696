// Both kinds of file give stored tensors by name. The network's own tensors are looked for among
// them, each at the places where such a file may have it; what is left over is not looked at.
#include "exec/weights/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <unordered_map>

#include "exec/weights/gguf_config.h"
#include "exec/weights/gguf_file.h"
#include "exec/weights/network_tensors.h"
#include "traces/check.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

// A network's tensor, found.
struct Found {
  std::span<const std::byte> bytes;
  std::int64_t moved_head_dim = 0;  // rows are to be put into Hugging Face's order; 0: they are
};

using ByName = std::unordered_map<std::string_view, const StoredTensor*>;

ByName by_name(const std::vector<StoredTensor>& tensors) {
  ByName map;
  for (const StoredTensor& tensor : tensors) map.emplace(tensor.name, &tensor);
  return map;
}

std::string join(const std::vector<Place>& places) {
  std::string text;
  for (const Place& place : places) text += (text.empty() ? "" : " or ") + place.stored;
  return text;
}

}  // namespace

struct Checkpoint::State {
  std::string path, kind;
  ModelConfig config;
  std::optional<GgufFile> gguf;  // keeps the file mapped
  std::vector<TensorInfo> tensors;
  std::vector<Found> found;  // of each of `tensors`
};

namespace {

// Finds every tensor of the network among the stored ones.
Expected<void> find_tensors(const std::vector<StoredTensor>& stored, bool gguf, bool moved_rows,
                            const std::string& path, const ModelConfig& config,
                            std::vector<TensorInfo>& tensors, std::vector<Found>& all_found) {
  const ByName map = by_name(stored);
  std::vector<NetworkTensor> wanted = network_tensors(config);
  std::ranges::sort(wanted, {}, &NetworkTensor::name);
  for (const NetworkTensor& tensor : wanted) {
    const StoredTensor* holder = nullptr;
    const Place* held_at = nullptr;
    std::string wrong;
    for (const Place& place : gguf ? tensor.gguf : tensor.hugging_face) {
      const auto at = map.find(place.stored);
      if (at == map.end()) continue;
      if (at->second->shape == place.stored_shape) {
        holder = at->second, held_at = &place;
        break;
      }
      wrong = path + ": tensor " + place.stored + " has shape " + format_shape(at->second->shape) +
              ", expected " + format_shape(place.stored_shape) + " by the configuration";
    }
    if (!holder && !wrong.empty()) return Error{wrong};
    if (!holder) {
      return Error{path + ": expected a tensor " + join(gguf ? tensor.gguf : tensor.hugging_face) +
                   " of a " + config.family + " model, found none"};
    }
    const ElementFormat& format = format_of(holder->type);
    const bool vector = tensor.shape.size() == 1;
    if (vector && format.block_elements > 1) {
      return Error{path + ": tensor " + holder->name + " is a vector stored as " + format.name +
                   "; expected single numbers"};
    }
    const std::int64_t row_elements = vector ? 1 : tensor.shape.back();
    const auto row_bytes =
        static_cast<std::size_t>(row_elements / format.block_elements * format.block_bytes);
    all_found.push_back(
        {holder->bytes.subspan(static_cast<std::size_t>(held_at->first_row) * row_bytes,
                               static_cast<std::size_t>(tensor.shape.front()) * row_bytes),
         moved_rows && tensor.rotated ? config.attention.head_dim : 0});
    tensors.push_back({tensor.name, tensor.shape, holder->type});
  }
  return {};
}

}  // namespace

std::int64_t TensorInfo::elements() const { return *count_elements(shape); }

Checkpoint::Checkpoint(std::unique_ptr<State> state) : state_(std::move(state)) {}
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint& Checkpoint::operator=(Checkpoint&&) noexcept = default;
Checkpoint::~Checkpoint() = default;

Expected<Checkpoint> Checkpoint::open(const std::string& path) {
  auto state = std::make_unique<State>();
  state->path = path;
  Expected<GgufFile> file = GgufFile::open(path);
  if (!file) return file.error();
  const Expected<ModelConfig> config = config_of(*file);
  if (!config) return config.error();
  state->kind = "GGUF";
  state->config = *config;
  state->gguf = *std::move(file);
  const Expected<void> found =
      find_tensors(state->gguf->tensors(), true, has_moved_rows(*state->gguf), path, state->config,
                   state->tensors, state->found);
  if (!found) return found.error();
  return Checkpoint(std::move(state));
}

const ModelConfig& Checkpoint::config() const { return state_->config; }
const std::string& Checkpoint::path() const { return state_->path; }
const std::vector<TensorInfo>& Checkpoint::tensors() const { return state_->tensors; }

std::string Checkpoint::format() const {
  std::map<ElementType, std::int64_t> elements;
  for (const TensorInfo& tensor : state_->tensors) elements[tensor.type] += tensor.elements();
  const auto most = std::ranges::max_element(elements, {}, [](const auto& e) { return e.second; });
  return state_->kind + ", " + format_of(most->first).name;
}

const TensorInfo* Checkpoint::find(std::string_view name) const {
  const auto at = std::ranges::lower_bound(state_->tensors, name, {}, &TensorInfo::name);
  return at != state_->tensors.end() && at->name == name ? &*at : nullptr;
}

void Checkpoint::read(std::string_view name, std::span<float> out) const {
  const TensorInfo* tensor = find(name);
  SCSIM_CHECK(tensor != nullptr);
  SCSIM_CHECK_EQ(static_cast<std::int64_t>(out.size()), tensor->elements());
  const Found& found = state_->found[static_cast<std::size_t>(tensor - state_->tensors.data())];
  if (found.moved_head_dim == 0) return to_floats(tensor->type, found.bytes, out);
  // Row 2i+j of a stored head is row j * head_dim/2 + i of Hugging Face's.
  const auto rows = static_cast<std::size_t>(tensor->shape.front());
  const auto head = static_cast<std::size_t>(found.moved_head_dim);
  const std::size_t row_bytes = found.bytes.size() / rows, columns = out.size() / rows;
  for (std::size_t row = 0; row < rows; ++row) {
    const std::size_t in_head = row % head;
    const std::size_t to = row - in_head + (in_head % 2) * (head / 2) + in_head / 2;
    to_floats(tensor->type, found.bytes.subspan(row * row_bytes, row_bytes),
              out.subspan(to * columns, columns));
  }
}

}  // namespace scsim::exec
