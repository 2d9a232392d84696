"""Writes llmlingua.json: what llmlingua 0.2.2 keeps of fixed tokens, and what the paper's rule does.

    pip install torch numpy nltk tiktoken transformers && pip install --no-deps llmlingua==0.2.2
    python make_llmlingua.py > llmlingua.json

The language model is a formula over all tokens before the one that is asked for, so that the test can
have the same one. The released code runs as it is, given this model and a tokenizer of one token a
character. The paper's rule is written here with numpy, from algorithm 2 and our reading of it: a segment
keeps the ceil(rate * tokens) least probable of its tokens, scored behind what was kept before.
"""

import json
import math
import types

import numpy as np
import torch
from llmlingua import PromptCompressor

VOCABULARY, FIRST = 24, 0x4E00


def log_probabilities(before):
    """Of each token behind these."""
    last = before[-1] if before else 0
    second = before[-2] if len(before) > 1 else 0
    state = sum((i + 1) * t for i, t in enumerate(before)) % 53
    v = np.arange(VOCABULARY)
    logits = (v * 37 + last * 101 + second * 17 + state * 13 + v * last * 7 + v * state * 5) % 97 / 20
    return logits - math.log(np.exp(logits).sum())


class Model:
    """Keeps the tokens in what the code takes for keys, and so forgets what it is made to forget."""

    def __call__(self, input_ids, attention_mask=None, past_key_values=None, use_cache=True):
        before = [] if past_key_values is None else past_key_values[0][0][0, 0, :, 0].long().tolist()
        rows = []
        for token in input_ids[0].tolist():
            before.append(token)
            rows.append(log_probabilities(before))
        kept = torch.tensor(before, dtype=torch.float64).view(1, 1, -1, 1)
        return types.SimpleNamespace(
            logits=torch.tensor(np.array(rows))[None], past_key_values=[[kept, kept]]
        )


class Encoding(dict):
    __getattr__ = dict.get


class Tokenizer:
    def __call__(self, text, return_tensors=None, add_special_tokens=True):
        ids = [ord(c) - FIRST for c in text]
        if return_tensors == "pt":
            ids = torch.tensor([ids])
            return Encoding(input_ids=ids, attention_mask=torch.ones_like(ids))
        return Encoding(input_ids=ids)

    def batch_decode(self, ids):
        return ["".join(chr(FIRST + t) for t in row) for row in ids.tolist()]

    def encode(self, text):
        return list(text)


released = object.__new__(PromptCompressor)
released.tokenizer = released.oai_tokenizer = Tokenizer()
released.model = Model()
released.device = "cpu"
released.use_llmlingua2 = False
released.context_idxs = []
released.max_position_embeddings = 1 << 20
released.cache_bos_num, released.prefix_bos_num = 10, 100

random = np.random.default_rng(6)


def some_tokens(count):
    return [int(t) for t in random.integers(0, VOCABULARY, count)]


def text_of(tokens):
    return "".join(chr(FIRST + t) for t in tokens)


def paper(tokens, rate, segment):
    kept = []
    for begin in range(0, len(tokens), segment):
        piece = tokens[begin : begin + segment]
        before, surprise = [tokens[i] for i in kept], []
        for token in piece:
            surprise.append(-log_probabilities(before)[token] if before else math.inf)
            before.append(token)
        order = np.argsort(-np.array(surprise), kind="stable")
        stay = math.ceil(rate * len(piece) - 1e-9)
        kept += sorted(begin + int(i) for i in order[:stay])
    return kept


cases = []
for count in (2, 50, 100, 150, 197, 199, 397, 398, 601, 900):
    for rate, segment in ((0.5, 200), (0.2, 200), (0.33, 20), (0.8, 50)):
        tokens = some_tokens(count)
        text = released.compress_prompt(
            text_of(tokens), rate=rate, iterative_size=segment, use_context_level_filter=False
        )["compressed_prompt"]
        cases.append(
            {
                "tokens": tokens,
                "rate": rate,
                "segment": segment,
                "released": [ord(c) - FIRST for c in text],
                "paper": paper(tokens, rate, segment),
            }
        )

choices = []
for rate in (0.1, 0.3, 0.6):
    documents = [some_tokens(n) for n in (120, 60, 200, 90, 151, 33)]
    lengths = [len(d) for d in documents]
    used = released.control_context_budget(
        [text_of(d) for d in documents], lengths, rate * sum(lengths), rank_method="llmlingua"
    )[2]
    choices.append({"documents": documents, "rate": rate, "chosen": used})

print(json.dumps({"vocabulary": VOCABULARY, "cases": cases, "choices": choices}, separators=(",", ":")))
