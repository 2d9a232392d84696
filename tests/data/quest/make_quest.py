"""What SCBench's Quest (minference 0.1.6.0, minference/modules/quest.py) makes of fixed inputs: a third opinion on
methods/quest beside the paper's rule (tests/methods/loading/quest_runtime_test.cpp).

    pip download minference==0.1.6.0 --no-deps --no-binary :all: && tar xzf minference-0.1.6.0.tar.gz
    python make_quest.py minference-0.1.6.0/minference/modules/quest.py > quest.json

60 tokens of one layer with 4 query and 2 kv heads of 16; pages of 4, a budget of 16. `step`: the last token as a
decode step. `chunk`: the last 7 together, which share one sum of signs. An odd number, so that no sum is zero.
"""
import importlib.util
import json
import sys

import torch

spec = importlib.util.spec_from_file_location("quest", sys.argv[1])
quest = importlib.util.module_from_spec(spec)
spec.loader.exec_module(quest)

TOKENS, CHUNK, HEADS, KV_HEADS, DIM = 60, 7, 4, 2, 16
torch.manual_seed(5)


def draw(*shape):
    return (torch.randn(*shape) * 1000).round() / 1000


q, k, v = draw(TOKENS, HEADS, DIM), draw(TOKENS, KV_HEADS, DIM), draw(TOKENS, KV_HEADS, DIM)


def attend(n):
    expand = lambda t: t.repeat_interleave(HEADS // KV_HEADS, 1).transpose(0, 1)[None]
    out = quest.quest_decode_kernel(
        q[-n:].transpose(0, 1)[None], expand(k), expand(v),
        {"attn_forward_config": {"chunk_size": 4, "token_budget": 16},
         "position_ids": torch.arange(TOKENS - n, TOKENS)[None]})
    return [round(x, 5) for x in out[0].transpose(0, 1).flatten().tolist()]


json.dump({"q": [round(x, 3) for x in q[-CHUNK:].flatten().tolist()], "k": [round(x, 3) for x in k.flatten().tolist()],
           "v": [round(x, 3) for x in v.flatten().tolist()], "step": attend(1), "chunk": attend(CHUNK)}, sys.stdout)
print()
