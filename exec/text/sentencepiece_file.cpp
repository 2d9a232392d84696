// tokenizer.model: a protobuf message of pieces, how they were trained and how text is normalised.
#include "exec/text/characters.h"
#include "exec/text/files_beside.h"
#include "exec/text/proto/sentencepiece.pb.h"
#include "exec/text/sentencepiece_model.h"
#include "traces/files.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

constexpr int kUnigram = 1, kBpe = 2;

Expected<SentencePieceModel> to_model(const sentencepiece::Model& file, const std::string& path) {
  const sentencepiece::TrainerSpec& trainer = file.trainer_spec();
  const sentencepiece::NormalizerSpec& normalizer = file.normalizer_spec();
  if (trainer.model_type() != kUnigram && trainer.model_type() != kBpe) {
    return Error{path + ": a SentencePiece model of type " + std::to_string(trainer.model_type()) +
                 "; known: 1 (unigram), 2 (BPE)"};
  }
  SentencePieceModel model;
  model.source = path;
  model.unigram = trainer.model_type() == kUnigram;
  model.byte_fallback = trainer.byte_fallback();
  model.unknown = trainer.unk_id();
  if (trainer.has_unk_surface()) model.unknown_text = replace_invalid_utf8(trainer.unk_surface());
  model.bos = trainer.bos_id();
  model.eos = trainer.eos_id();
  model.pieces.reserve(static_cast<std::size_t>(file.pieces_size()));
  for (const sentencepiece::Piece& piece : file.pieces()) {
    if (!is_valid_utf8(piece.piece())) {
      return Error{path + ": piece " + std::to_string(model.pieces.size()) + " is not UTF-8"};
    }
    if (piece.type() < 1 || piece.type() > 6) {
      return Error{path + ": piece " + json_quote(piece.piece()) + " is of type " +
                   std::to_string(piece.type()) + ", expected 1 to 6"};
    }
    model.pieces.push_back({piece.piece(), piece.score(), static_cast<PieceType>(piece.type())});
  }
  Expected<CharacterMap> map = CharacterMap::parse(normalizer.precompiled_charsmap());
  if (!map) return Error{path + ": " + map.error().message};
  model.normalizer.map = std::move(*map);
  model.normalizer.add_dummy_prefix = normalizer.add_dummy_prefix();
  model.normalizer.remove_extra_spaces = normalizer.remove_extra_whitespaces();
  model.normalizer.escape_spaces = normalizer.escape_whitespaces();
  model.normalizer.space_is_suffix = trainer.treat_whitespace_as_suffix();
  return model;
}

}  // namespace

Expected<Tokenizer> load_sentencepiece(const std::string& path) {
  Expected<std::string> bytes = read_file(path);
  if (!bytes) return bytes.error();
  sentencepiece::Model file;
  if (!file.ParseFromString(*bytes) || file.pieces_size() == 0) {
    return Error{path + ": expected a SentencePiece model, found something else or half of one"};
  }
  Expected<FilesBeside> files = read_files_beside(path);
  if (!files) return files.error();
  Expected<SentencePieceModel> model = to_model(file, path);
  if (!model) return model.error();
  // The file does not say; the families that come as tokenizer.model begin with bos.
  model->add_bos = files->add_bos.value_or(true);
  model->add_eos = files->add_eos.value_or(false);
  model->ends = files->ends;
  model->chat_template = files->chat_template;
  return make_sentencepiece_tokenizer(std::move(*model));
}

}  // namespace scsim::exec
