// Both kinds of file give stored tensors by name. The network's own tensors are looked for among
// them, each at the places where such a file may have it; what is left over is not looked at.
#include "exec/weights/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <unordered_map>

#include "exec/weights/gguf_config.h"
#include "exec/weights/gguf_file.h"
#include "exec/weights/hugging_face_folder.h"
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

std::string join(const std::vector<Place>& places) {
  std::string text;
  for (const Place& place : places) text += (text.empty() ? "" : " or ") + place.stored;
  return text;
}

// The stored tensors of one or several files, by name.
class Store {
 public:
  explicit Store(std::string path) : path_(std::move(path)) {}
  void add(const std::vector<StoredTensor>& tensors) {
    for (const StoredTensor& tensor : tensors) by_name_.emplace(tensor.name, &tensor);
  }
  void add_unreadable(const std::map<std::string, std::string>& types_by_name) {
    unreadable_.insert(types_by_name.begin(), types_by_name.end());
  }

  // The first of the places that the store has, and the tensor there.
  struct Hit {
    const StoredTensor* tensor;
    const Place* place;
  };
  Expected<Hit> look_for(const std::vector<Place>& places) const {
    std::optional<Error> wrong;
    for (const Place& place : places) {
      if (const auto type = unreadable_.find(place.stored); type != unreadable_.end()) {
        return Error{path_ + ": tensor " + place.stored + " is of type " + type->second +
                     ", which is not read; known: F32, F16, BF16"};
      }
      const auto at = by_name_.find(place.stored);
      if (at == by_name_.end()) continue;
      if (at->second->shape == place.stored_shape) return Hit{at->second, &place};
      wrong = Error{path_ + ": tensor " + place.stored + " has shape " +
                    format_shape(at->second->shape) + ", expected " +
                    format_shape(place.stored_shape) + " by the configuration"};
    }
    if (wrong) return *wrong;
    return Error{path_ + ": expected a tensor " + join(places) + ", found none"};
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::unordered_map<std::string_view, const StoredTensor*> by_name_;
  std::map<std::string, std::string> unreadable_;
};

// The bytes of a tensor's rows within the stored one.
Expected<Found> rows_of(const Store::Hit& hit, const NetworkTensor& tensor, const Store& store) {
  const ElementFormat& format = format_of(hit.tensor->type);
  const bool vector = tensor.shape.size() == 1;
  if (vector && format.block_elements > 1) {
    return Error{store.path() + ": tensor " + hit.tensor->name + " is a vector stored as " +
                 format.name + "; expected single numbers"};
  }
  const std::int64_t elements = vector ? 1 : tensor.shape.back();
  const auto row = static_cast<std::size_t>(elements / format.block_elements * format.block_bytes);
  const auto first = static_cast<std::size_t>(hit.place->first_row);
  return Found{
      hit.tensor->bytes.subspan(first * row, static_cast<std::size_t>(tensor.shape.front()) * row)};
}

}  // namespace

struct Checkpoint::State {
  std::string path;
  ModelConfig config;
  std::optional<GgufFile> gguf;              // either this
  std::vector<SafetensorsFile> safetensors;  // or these keep the files mapped
  std::vector<TensorInfo> tensors;
  std::vector<Found> found;  // of each of `tensors`

  Expected<void> open_gguf() {
    Expected<GgufFile> file = GgufFile::open(path);
    if (!file) return file.error();
    gguf = *std::move(file);
    const Expected<ModelConfig> described = config_of(*gguf);
    if (!described) return described.error();
    config = *described;
    Store store(path);
    store.add(gguf->tensors());
    return find_tensors(store);
  }

  Expected<void> open_folder() {
    const Expected<ModelConfig> described = config_of_folder(path);
    if (!described) return described.error();
    config = *described;
    Expected<std::vector<SafetensorsFile>> files = open_weights_of_folder(path);
    if (!files) return files.error();
    safetensors = *std::move(files);
    Store store(path);
    for (const SafetensorsFile& file : safetensors) {
      store.add(file.tensors());
      store.add_unreadable(file.others());
    }
    return find_tensors(store);
  }

  Expected<void> find_tensors(const Store& store) {
    const bool moved_rows = gguf && has_moved_rows(*gguf);
    std::vector<NetworkTensor> wanted = network_tensors(config);
    std::ranges::sort(wanted, {}, &NetworkTensor::name);
    for (const NetworkTensor& tensor : wanted) {
      const Expected<Store::Hit> hit = store.look_for(gguf ? tensor.gguf : tensor.hugging_face);
      if (!hit) return hit.error();
      Expected<Found> rows = rows_of(*hit, tensor, store);
      if (!rows) return rows.error();
      if (moved_rows && tensor.rotated) rows->moved_head_dim = config.attention.head_dim;
      found.push_back(*rows);
      tensors.push_back({tensor.name, tensor.shape, hit->tensor->type});
    }
    return {};
  }
};

std::int64_t TensorInfo::elements() const { return *count_elements(shape); }

Checkpoint::Checkpoint(std::unique_ptr<State> state) : state_(std::move(state)) {}
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint& Checkpoint::operator=(Checkpoint&&) noexcept = default;
Checkpoint::~Checkpoint() = default;

Expected<Checkpoint> Checkpoint::open(const std::string& path) {
  auto state = std::make_unique<State>();
  state->path = path;
  while (state->path.size() > 1 && state->path.ends_with('/')) state->path.pop_back();
  const bool folder = std::filesystem::is_directory(state->path);
  if (!folder && (path.ends_with(".safetensors") || path.ends_with(".json"))) {
    return Error{path +
                 ": expected a GGUF file or a folder with config.json and safetensors, found "
                 "one of a folder's files"};
  }
  const Expected<void> opened = folder ? state->open_folder() : state->open_gguf();
  if (!opened) return opened.error();
  return Checkpoint(std::move(state));
}

const ModelConfig& Checkpoint::config() const { return state_->config; }
const std::string& Checkpoint::path() const { return state_->path; }
const std::vector<TensorInfo>& Checkpoint::tensors() const { return state_->tensors; }

std::string Checkpoint::format() const {
  std::map<ElementType, std::int64_t> elements;
  for (const TensorInfo& tensor : state_->tensors) elements[tensor.type] += tensor.elements();
  const auto most = std::ranges::max_element(elements, {}, [](const auto& e) { return e.second; });
  return (state_->gguf ? "GGUF, " : "safetensors, ") + format_of(most->first).name;
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
