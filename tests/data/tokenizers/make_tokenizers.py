#!/usr/bin/env python3
"""Makes the small tokenizers of this folder and what the reference libraries say of 20,000 lines.

    python make_tokenizers.py               trains, writes *.zst and expected.json
    python make_tokenizers.py make NAME...  the same of these alone, the others as they are
    python make_tokenizers.py show NAME N   the reference's ids of line N, for a test that fails

Needs: tokenizers, sentencepiece, zstandard (or the program zstd). Vocabularies are trained on the
standard library's sources and on fragments.json, in the configuration that each family publishes:
same normalizer, pre_tokenizer, post_processor and decoder, fewer tokens. The 20,000 lines are made by
line(), which tests/exec/text/corpus.cpp repeats in C++.
"""
import glob
import json
import os
import random
import subprocess
import sys
import sysconfig
import tempfile

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers, processors, trainers

HERE = os.path.dirname(os.path.abspath(__file__))
LINES, CHUNK, SAMPLES = 20_000, 1_000, 6
MASK = (1 << 64) - 1
FRAGMENTS = [text.encode() for text in json.load(open(os.path.join(HERE, "fragments.json")))]
SPACES = [" ", "  ", "\n", "\r\n", "\t", "\u00a0", "\u3000", "\u2028", "\x0b", "\x85", " \n", "\n "]


class Draws:
    """splitmix64."""

    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return (z ^ (z >> 31)) % n


def line(number):
    """Line `number` as bytes; some are not UTF-8."""
    draws = Draws(number * 1000003)
    out = b""
    for _ in range(1 + draws.below(12)):
        kind = draws.below(100)
        if kind < 66:
            out += FRAGMENTS[draws.below(len(FRAGMENTS))]
        elif kind < 78:
            code = draws.below(0x3100 if draws.below(2) else 0x20000)
            out += b"?" if 0xD800 <= code < 0xE000 else chr(code).encode()
        elif kind < 86:
            character = 32 + draws.below(95)
            out += bytes([character]) * (1 + draws.below(6))
        elif kind < 96:
            out += SPACES[draws.below(len(SPACES))].encode()
        else:
            out += bytes([draws.below(256)])
    return out


def text(number):
    return line(number).decode("utf-8", "replace")


def hash_ids(hash_so_far, ids):
    for one in ids:
        hash_so_far = ((hash_so_far ^ one) * 0x100000001B3) & MASK
    return ((hash_so_far ^ 0xFFFFFFFF) * 0x100000001B3) & MASK


def training_text():
    shuffle = random.Random(1)
    out = []
    for path in sorted(glob.glob(sysconfig.get_paths()["stdlib"] + "/*.py"))[:60]:
        out += open(path, encoding="utf-8", errors="replace").read().split("\n")[:400]
    fragments = [fragment.decode() for fragment in FRAGMENTS]
    for _ in range(400):
        shuffle.shuffle(fragments)
        out.append("".join(fragments[:40]))
    return out


GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")


def special(name, **options):
    return AddedToken(name, special=True, normalized=False, **options)


def byte_level(pre, specials, normalizer=None, post=None, size=1800):
    tokenizer = Tokenizer(models.BPE())
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoders.ByteLevel(add_prefix_space=True, trim_offsets=True, use_regex=True)
    trainer = trainers.BpeTrainer(vocab_size=size, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(training_text(), trainer)
    for token in specials:
        (tokenizer.add_special_tokens if token.special else tokenizer.add_tokens)([token])
    if post:
        tokenizer.post_processor = post(tokenizer)
    return tokenizer


def split(regex):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(regex), "isolated", invert=False),
                                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def template(*names):
    def make(tokenizer):
        return processors.TemplateProcessing(
            single=" ".join(names) + " $A",
            special_tokens=[(name, tokenizer.token_to_id(name)) for name in names])
    return make


def llama3():
    names = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    tokenizer = byte_level(split(LLAMA3), [special(name) for name in names], post=lambda t: processors.Sequence(
        [processors.ByteLevel(trim_offsets=False), template(names[0])(t)]))
    changed = json.loads(tokenizer.to_str())
    changed["model"]["ignore_merges"] = True
    # A word that is a token although no merges lead to it: ignore_merges finds it.
    changed["model"]["vocab"]["\u0120antidisestablishmentarianism"] = tokenizer.get_vocab_size()
    return Tokenizer.from_str(json.dumps(changed))


def qwen2():
    tokens = [special(n) for n in ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]]
    tokens += [AddedToken(n, special=False, normalized=False) for n in ["<tool_call>", "<think>", "</think>"]]
    return byte_level(split(QWEN2), tokens, normalizer=normalizers.NFC(),
                      post=lambda t: processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False))


def glm4():
    names = ["<|endoftext|>", "[MASK]", "[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>"]
    return byte_level(split(LLAMA3), [special(name) for name in names], post=template("[gMASK]", "<sop>"))


def smollm2():
    return byte_level(pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                               pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]),
                      [special(n) for n in ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]])


def gpt2():
    """GPT-2's rule, a space before the text, and added tokens with every option."""
    tokens = [special("<|endoftext|>"), special("<mark>"), special("<left>", lstrip=True),
              special("<right>", rstrip=True), special("<both>", lstrip=True, rstrip=True),
              AddedToken("word", single_word=True, normalized=False),
              AddedToken("\u00c9", normalized=True), AddedToken("q\u0323\u0307", normalized=True)]
    return byte_level(pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True), tokens,
                      normalizer=normalizers.NFC())


def character_level(normalizer, pre, decoder, byte_fallback=True, post=True, size=1800):
    """Merges of characters, as converters write SentencePiece vocabularies."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    tokenizer.pre_tokenizer = pre_tokenizers.Split("\u2581", "merged_with_next")
    tokenizer.train_from_iterator([t for t in training_text() for t in [t, "    " + t]], trainers.BpeTrainer(
        vocab_size=size, show_progress=False, limit_alphabet=400))
    trained = json.loads(tokenizer.to_str())["model"]
    names = ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % byte for byte in range(256)]
    # Runs of spaces, which the pre_tokenizer above could not merge.
    runs = ["\u2581" * 2, "\u2581" * 4, "\u2581" * 8]
    names += [n for n in sorted(trained["vocab"], key=trained["vocab"].get) if n not in names] + runs
    merges = [m if isinstance(m, list) else m.split(" ") for m in trained["merges"]]
    merges += [[run[:len(run) // 2]] * 2 for run in runs]
    tokenizer = Tokenizer(models.BPE(vocab={name: i for i, name in enumerate(names)},
                                     merges=[tuple(m) for m in merges], unk_token="<unk>", fuse_unk=True,
                                     byte_fallback=byte_fallback))
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre:
        tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoder
    tokenizer.add_special_tokens([special(n) for n in ["<unk>", "<s>", "</s>"]])
    if post:
        tokenizer.post_processor = template("<s>")(tokenizer)
    return tokenizer


LLAMA2_NORMALIZER = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
LLAMA2_DECODER = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(),
                                    decoders.Strip(" ", 1, 0)])


def llama2():
    return character_level(LLAMA2_NORMALIZER, None, LLAMA2_DECODER)


def mistral():
    return character_level(None, pre_tokenizers.Metaspace("\u2581", "first", split=False), LLAMA2_DECODER)


def metaspace():
    tokenizer = character_level(None, pre_tokenizers.Metaspace("\u2581", "always", split=True),
                                decoders.Metaspace("\u2581", "always", split=True), byte_fallback=False, post=False)
    tokenizer.add_tokens([AddedToken("left> x", normalized=True), AddedToken("hahaha", normalized=True, lstrip=True)])
    return tokenizer


def sentencepiece_model(**options):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "text")
        with open(path, "w") as file:
            file.write("\n".join(t.replace("\x00", "") for t in training_text()))
        sentencepiece.SentencePieceTrainer.train(
            input=path, model_prefix=os.path.join(folder, "m"), minloglevel=2, num_threads=1,
            hard_vocab_limit=False, max_sentence_length=20000, **options)
        return open(os.path.join(folder, "m.model"), "rb").read()


def xlmr():
    """Pieces and table of characters of a SentencePiece model, in the steps that XLM-RoBERTa has."""
    from sentencepiece import sentencepiece_model_pb2
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(sentencepiece_model(model_type="unigram", vocab_size=1500))
    vocabulary = [(n, 0.0) for n in ["<s>", "<pad>", "</s>", "<unk>"]]
    vocabulary += [(p.piece, p.score) for p in proto.pieces[3:]]
    tokenizer = Tokenizer(models.Unigram(vocabulary, 3, False))
    tokenizer.normalizer = normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace("\u2581", "always")])
    tokenizer.decoder = decoders.Metaspace("\u2581", "always")
    tokenizer.add_special_tokens([special(n) for n in ["<s>", "<pad>", "</s>", "<unk>"]] +
                                 [special("<mask>", lstrip=True)])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return tokenizer


def bert():
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(training_text(), trainers.WordPieceTrainer(
        vocab_size=1800, show_progress=False, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
    tokenizer.decoder = decoders.WordPiece("##")
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


LLAMA = dict(normalization_rule_name="identity", remove_extra_whitespaces=False, add_dummy_prefix=True)
JSON = dict(llama3=llama3, qwen2=qwen2, glm4=glm4, smollm2=smollm2, gpt2=gpt2, llama2=llama2, mistral=mistral,
            metaspace=metaspace, xlmr=xlmr, bert=bert)
MODELS = dict(
    sp_bpe=dict(model_type="bpe", vocab_size=1500, byte_fallback=True, split_digits=True,
                allow_whitespace_only_pieces=True, character_coverage=0.99, control_symbols=["[INST]", "[/INST]"],
                **LLAMA),
    sp_bpe_across=dict(model_type="bpe", vocab_size=1200, split_by_whitespace=False, character_coverage=0.98,
                       user_defined_symbols=["<mark>", "<left>", "\u2581\u2581\u2581", "word"], **LLAMA),
    sp_unigram=dict(model_type="unigram", vocab_size=1500),
    sp_unigram_bytes=dict(model_type="unigram", vocab_size=1500, byte_fallback=True, character_coverage=0.98,
                          treat_whitespace_as_suffix=True, **LLAMA))


def write_zst(name, content):
    subprocess.run(["zstd", "-q", "-19", "-f", "-o", os.path.join(HERE, name + ".zst")], input=content, check=True)


def read_zst(name):
    return subprocess.run(["zstd", "-dcq", os.path.join(HERE, name + ".zst")], capture_output=True, check=True).stdout


def reference(name):
    """encode(text, special, frame) and decode(ids, keep_special) of the library."""
    if name in JSON:
        tokenizer = Tokenizer.from_str(read_zst(name + ".json").decode())

        def encode(content, recognised, framed):
            tokenizer.encode_special_tokens = not recognised
            return tokenizer.encode(content, add_special_tokens=framed).ids
        return encode, lambda ids, keep: tokenizer.decode(ids, skip_special_tokens=not keep)
    model = sentencepiece.SentencePieceProcessor(model_proto=read_zst(name + ".model"))
    return lambda content, recognised, framed: model.encode(content), lambda ids, keep: model.decode(ids)


def expected_of(name):
    encode, decode = reference(name)
    modes = {"recognised": (True, True), "as_text": (False, False)} if name in JSON else {"as_text": (False, False)}
    out = {}
    for mode, (recognised, framed) in modes.items():
        ids, texts, hash_of_ids, hash_of_text, tokens = [], [], 0, 0, 0
        samples = []
        for number in range(LINES):
            one = encode(text(number), recognised, framed)
            if number < SAMPLES:
                samples.append(one)
            tokens += len(one)
            hash_of_ids = hash_ids(hash_of_ids, one)
            hash_of_text = hash_ids(hash_of_text, decode(one, recognised).encode())
            if (number + 1) % CHUNK == 0:
                ids.append("%016x" % hash_of_ids)
                texts.append("%016x" % hash_of_text)
                hash_of_ids = hash_of_text = 0
        out[mode] = dict(tokens=tokens, ids=ids, texts=texts, samples=samples)
    return out


def main():
    if sys.argv[1:2] == ["show"]:
        encode, decode = reference(sys.argv[2])
        content = text(int(sys.argv[3]))
        for recognised in (True, False):
            ids = encode(content, recognised, recognised)
            print(repr(content), ids, repr(decode(ids, recognised)), sep="\n")
        return
    names, expected = [*JSON, *MODELS], {}
    if sys.argv[1:2] == ["make"]:
        expected = json.load(open(os.path.join(HERE, "expected.json")))
        names = sys.argv[2:]
    for name in names:
        if name in JSON:
            write_zst(name + ".json", JSON[name]().to_str().encode())
        else:
            write_zst(name + ".model", sentencepiece_model(**MODELS[name]))
        expected[name] = expected_of(name)
    with open(os.path.join(HERE, "expected.json"), "w") as file:
        file.write("{\n" + ",\n".join(json.dumps(n) + ": " + json.dumps(e) for n, e in expected.items()) + "\n}\n")


if __name__ == "__main__":
    main()
