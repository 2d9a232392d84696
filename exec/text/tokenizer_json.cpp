// Hugging Face's tokenizer.json. Its model section is read here, the lists of steps around it by
// tokenizer_json_rules.h; truncation and padding are for batches and are passed over.
#include <algorithm>
#include <utility>

#include "exec/text/bpe_vocabulary.h"
#include "exec/text/files_beside.h"
#include "exec/text/tokenizer_json_rules.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

constexpr std::int64_t kMostTokens = 1 << 24;

class Reader {
 public:
  Reader(const Json& root, std::string path) : root_(root), path_(std::move(path)) {}

  Expected<std::shared_ptr<TokenizerParts>> read(const FilesBeside& files) {
    const std::optional<Json> model = find(root_, "model");
    if (!model) return Error{path_ + ": there is no model section"};
    model_ = *model;
    Expected<void> (Reader::*const steps[])() = {&Reader::check_model, &Reader::read_names,
                                                 &Reader::read_rules, &Reader::read_alphabet,
                                                 &Reader::read_merges};
    for (const auto step : steps) {
      if (Expected<void> done = (this->*step)(); !done) {
        return Error{path_ + ": " + done.error().message};
      }
    }
    if (!parts_->before.empty()) parts_->bos = parts_->before.front();
    use_files_beside(files, *parts_);
    return parts_;
  }

 private:
  Expected<void> check_model() {
    const std::string type = model_type(root_);
    const std::vector<std::string> known = {"BPE", "Unigram", "WordPiece"};
    if (std::ranges::find(known, type) == known.end()) {
      return Error{"model: " + unknown_name("type", type, known)};
    }
    if (type == "WordPiece") {
      const auto prefix = string_in(model_, "continuing_subword_prefix").value_or("");
      if (prefix == WordPieceModel::kContinued) return {};
      return Error{"model: continuing_subword_prefix: expected \"##\", found " +
                   json_quote(prefix)};
    }
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      if (!string_in(model_, key).value_or("").empty()) {
        return Error{"model: " + std::string(key) + " is not supported"};
      }
    }
    double dropout = 0;
    const std::optional<Json> given = find(model_, "dropout");
    if (given && (given->get(dropout) || dropout != 0)) {
      return Error{"model: dropout, which is for training, is not supported"};
    }
    return {};
  }

  Expected<void> name_token(std::string_view name, std::int64_t id) {
    if (id < 0 || id >= kMostTokens) {
      return Error{json_quote(name) + " has the id " + std::to_string(id) + ", expected 0 to " +
                   format_integer(kMostTokens - 1)};
    }
    const auto at = static_cast<std::size_t>(id);
    if (at >= parts_->names.size()) parts_->names.resize(at + 1);
    std::string& there = parts_->names[at];
    if (!there.empty() && there != name) {
      return Error{json_quote(name) + " and " + json_quote(there) + " have the same id, " +
                   std::to_string(id)};
    }
    there = name;
    return {};
  }

  Expected<void> name_vocabulary() {
    if (model_type(root_) == "Unigram") {
      const std::optional<Json> list = find(model_, "vocab");
      for (const Json& entry : list ? items(*list) : std::vector<Json>{}) {
        const std::vector<Json> pair = items(entry);
        const auto name = pair.size() == 2 ? as_string(pair[0]) : std::nullopt;
        double score = 0;
        if (!name || pair[1].get(score)) {
          return Error{"entry " + std::to_string(scores_.size()) +
                       ": expected a piece and its score"};
        }
        Expected<void> named = name_token(*name, std::ssize(scores_));
        if (!named) return named;
        scores_.push_back(score);
      }
      return {};
    }
    simdjson::dom::object vocabulary;
    if (model_["vocab"].get(vocabulary)) return Error{"expected an object"};
    parts_->names.reserve(vocabulary.size());
    for (const auto& [name, value] : vocabulary) {
      Expected<void> named = name_token(name, as_integer(value).value_or(-1));
      if (!named) return named;
    }
    return {};
  }

  Expected<void> read_names() {
    if (Expected<void> named = name_vocabulary(); !named) {
      return Error{"model: vocab: " + named.error().message};
    }
    const std::size_t vocabulary_end = parts_->names.size();
    ordinary_.assign(vocabulary_end, true);
    const std::optional<Json> list = find(root_, "added_tokens");
    for (const Json& entry : list ? items(*list) : std::vector<Json>{}) {
      AddedToken token;
      token.content = string_in(entry, "content").value_or("");
      const std::int64_t id = integer_in(entry, "id").value_or(-1);
      if (Expected<void> named = name_token(token.content, id); !named) {
        return Error{"added_tokens: " + named.error().message};
      }
      token.id = static_cast<std::int32_t>(id);
      token.special = bool_in(entry, "special").value_or(false);
      token.single_word = bool_in(entry, "single_word").value_or(false);
      token.lstrip = bool_in(entry, "lstrip").value_or(false);
      token.rstrip = bool_in(entry, "rstrip").value_or(false);
      token.normalized = bool_in(entry, "normalized").value_or(!token.special);
      added_.push_back(std::move(token));
    }
    ordinary_.resize(parts_->names.size(), false);
    if (Expected<void> done = finish_vocabulary(*parts_, ""); !done) return done.error();
    for (const AddedToken& token : added_) {
      parts_->special[static_cast<std::size_t>(token.id)] = token.special;
    }
    return {};
  }

  Expected<void> read_rules() {
    for (const auto read :
         {read_normalizer, read_pre_tokenizer, read_post_processor, read_decoder}) {
      if (Expected<void> done = read(root_, *parts_); !done) return done.error();
    }
    for (AddedToken token : added_) {
      if (token.normalized) {
        token.content = normalized(parts_->normalizer, token.content);
        parts_->added_normalized.add(token);
      } else {
        parts_->added.add(token);
      }
    }
    return {};
  }

  Expected<void> read_alphabet() {
    const auto ordinary = [&](std::int32_t id) { return ordinary_[static_cast<std::size_t>(id)]; };
    const std::string type = model_type(root_);
    if (type == "WordPiece") return read_word_pieces();
    if (parts_->alphabet.bytes) {
      use_byte_alphabet(*parts_, ordinary, bool_in(model_, "ignore_merges").value_or(false));
    } else {
      use_character_alphabet(*parts_, ordinary, bool_in(model_, "byte_fallback").value_or(false));
    }
    if (type == "Unigram") return read_pieces();
    if (const auto unknown = string_in(model_, "unk_token")) {
      const auto found = parts_->ids.find(*unknown);
      if (found == parts_->ids.end()) {
        return Error{"model: unk_token: " + json_quote(*unknown) + " is not in the vocabulary"};
      }
      parts_->alphabet.unknown = found->second;
    }
    parts_->alphabet.fuse_unknown = bool_in(model_, "fuse_unk").value_or(false);
    return {};
  }

  Expected<void> read_pieces() {
    const std::int64_t unknown = integer_in(model_, "unk_id").value_or(-1);
    if (unknown < 0 || unknown >= std::ssize(scores_)) {
      return Error{"model: unk_id: expected the number of a piece"};
    }
    parts_->alphabet.unknown = static_cast<std::int32_t>(unknown);
    parts_->alphabet.fuse_unknown = true;
    parts_->unigram.emplace(UnigramModel::Sums::kDouble);
    for (std::size_t id = 0; id < scores_.size(); ++id) {
      parts_->unigram->add(parts_->names[id], static_cast<std::int32_t>(id), scores_[id]);
    }
    parts_->unigram->set_unknown(parts_->alphabet.unknown);
    return {};
  }

  Expected<void> read_word_pieces() {
    const auto name = string_in(model_, "unk_token").value_or("[UNK]");
    const auto unknown = parts_->ids.find(name);
    if (unknown == parts_->ids.end()) {
      return Error{"model: unk_token: " + json_quote(name) + " is not in the vocabulary"};
    }
    parts_->alphabet.unknown = unknown->second;
    const std::int64_t most = integer_in(model_, "max_input_chars_per_word").value_or(100);
    parts_->wordpiece.emplace(unknown->second,
                              static_cast<std::size_t>(std::max<std::int64_t>(0, most)));
    for (std::size_t id = 0; id < parts_->names.size(); ++id) {
      if (ordinary_[id] && !parts_->names[id].empty()) {
        parts_->wordpiece->add(parts_->names[id], static_cast<std::int32_t>(id));
      }
    }
    return {};
  }

  Expected<void> read_merges() {
    if (model_type(root_) != "BPE") return {};
    simdjson::dom::array merges;
    if (model_["merges"].get(merges)) return Error{"model: expected a list named merges"};
    parts_->merges.reserve(merges.size());
    std::uint32_t rank = 0;
    for (const Json merge : merges) {
      Expected<void> added;
      if (const auto line = as_string(merge)) {
        added = add_merge_line(*parts_, *line, rank);
      } else {
        const std::vector<Json> pair = items(merge);
        const auto left = pair.size() == 2 ? as_string(pair[0]) : std::nullopt;
        const auto right = pair.size() == 2 ? as_string(pair[1]) : std::nullopt;
        if (!left || !right) {
          return Error{"model: merges: merge " + std::to_string(rank) + ": expected two tokens"};
        }
        added = add_merge(*parts_, *left, *right, rank);
      }
      if (!added) return Error{"model: merges: " + added.error().message};
      ++rank;
    }
    return {};
  }

  Json root_, model_;
  std::string path_;
  std::shared_ptr<TokenizerParts> parts_ = std::make_shared<TokenizerParts>();
  std::vector<AddedToken> added_;
  std::vector<double> scores_;  // of a Unigram's pieces
  std::vector<bool> ordinary_;  // whether the model's vocabulary has the id
};

}  // namespace

Expected<Tokenizer> load_tokenizer_json(const std::string& path) {
  JsonFile file;
  Expected<Json> root = file.read(path);
  if (!root) return root.error();
  Expected<FilesBeside> files = read_files_beside(path);
  if (!files) return files.error();
  Expected<std::shared_ptr<TokenizerParts>> parts = Reader(*root, path).read(*files);
  if (!parts) return parts.error();
  return Tokenizer(std::move(*parts));
}

}  // namespace scsim::exec
