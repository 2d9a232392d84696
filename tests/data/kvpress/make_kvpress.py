"""Writes kvpress.json: what kvpress 0.5.5 keeps of fixed queries and keys.

    pip install torch transformers accelerate cachetools && pip install --no-deps kvpress==0.5.5
    python make_kvpress.py > kvpress.json

A press is handed attention weights that are computed here, in double precision, from queries and
keys of three digits, and values whose first number is the token's own: what it returns says what it
kept.
"""

import importlib.machinery
import json
import sys
import types

import torch
import transformers  # noqa: F401, looks for datasets before there is something of that name

# Presses that are not used here load statistics and write them with these.
for name in ("datasets", "fire"):
    stub = types.ModuleType(name)
    stub.__spec__ = importlib.machinery.ModuleSpec(name, None)
    stub.load_dataset = None
    sys.modules.setdefault(name, stub)

from kvpress.presses.observed_attention_press import ObservedAttentionPress
from kvpress.presses.pyramidkv_press import PyramidKVPress
from kvpress.presses.snapkv_press import SnapKVPress
from kvpress.presses.streaming_llm_press import StreamingLLMPress
from kvpress.presses.tova_press import TOVAPress

TOKENS, QUERY_HEADS, KV_HEADS, DIM, LAYERS = 96, 6, 2, 8, 4

torch.manual_seed(20)
numbers = lambda heads: torch.randn(heads, TOKENS, DIM, dtype=torch.float64).mul(1000).round().div(1000)
q, k = numbers(QUERY_HEADS), numbers(KV_HEADS)

repeated = k.repeat_interleave(QUERY_HEADS // KV_HEADS, 0)
logits = q @ repeated.transpose(1, 2) / DIM**0.5
attentions = logits.masked_fill(torch.ones(TOKENS, TOKENS).triu(1).bool(), -torch.inf).softmax(-1)

values = torch.zeros(1, KV_HEADS, TOKENS, DIM, dtype=torch.float64)
values[..., 0] = torch.arange(TOKENS)


def kept(press, layer=0):
    module = types.SimpleNamespace(
        head_dim=DIM,
        layer_idx=layer,
        config=types.SimpleNamespace(
            num_attention_heads=QUERY_HEADS, num_key_value_heads=KV_HEADS, num_hidden_layers=LAYERS
        ),
    )
    hidden = torch.zeros(1, TOKENS, 1)
    left = press.compress(module, hidden, k[None], values, attentions[None], {})[1]
    return [sorted(int(t) for t in head[:, 0]) for head in left[0]]


cases = []
for ratio in (0.25, 0.5, 0.75):
    budget = round(TOKENS * (1 - ratio))
    for window, kernel in ((8, 5), (8, 3), (16, 7), (1, 1)):
        press = SnapKVPress(ratio, window_size=window, kernel_size=kernel)
        cases.append(
            {"press": "snapkv", "budget": budget, "window": window, "kernel": kernel, "kept": kept(press)}
        )
    for beta in (2, 4, 20):
        for layer in range(LAYERS):
            press = PyramidKVPress(ratio, window_size=8, kernel_size=5, beta=beta)
            cases.append(
                {"press": "pyramid_kv", "budget": budget, "window": 8, "kernel": 5, "beta": beta,
                 "layer": layer, "kept": kept(press, layer)}
            )
    for sinks in (4, 0):
        press = StreamingLLMPress(ratio, n_sink=sinks)
        cases.append({"press": "streaming_llm", "budget": budget, "sinks": sinks, "kept": kept(press)})
    cases.append({"press": "tova", "budget": budget, "kept": kept(TOVAPress(ratio))})
    cases.append({"press": "observed_attention", "budget": budget, "kept": kept(ObservedAttentionPress(ratio))})

flat = lambda heads: [float(x) for x in heads.transpose(0, 1).reshape(-1)]  # [token][head][number]
fixture = {
    "made_by": "make_kvpress.py with kvpress 0.5.5",
    "tokens": TOKENS, "query_heads": QUERY_HEADS, "kv_heads": KV_HEADS, "head_dim": DIM, "layers": LAYERS,
    "q": flat(q), "k": flat(k),
}
print(json.dumps(fixture)[:-1] + ',\n"cases": [\n' + ",\n".join(json.dumps(c) for c in cases) + "]}")
