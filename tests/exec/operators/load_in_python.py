"""The operators as Python finds them: load_in_python.py LIBRARY

Loads the shared library into torch and compares attention on pages with torch's own
scaled_dot_product_attention on the same keys without pages. Prints what it compared; ends with
status 1 where they differ, and prints SKIPPED where this Python has no torch of the right version.
"""
import sys

try:
    import torch
except ImportError:
    print("SKIPPED: this Python has no torch")
    sys.exit(0)
if not torch.__version__.startswith("2.11."):
    print(f"SKIPPED: the library is built for torch 2.11; this Python has {torch.__version__}")
    sys.exit(0)

torch.ops.load_library(sys.argv[1])
torch.manual_seed(1)
failed = False


def compare(name, found, expected):
    global failed
    apart = (found - expected).abs().max().item()
    print(f"{name}: largest difference {apart:.2e}")
    failed |= not apart < 1e-5


def paged(keys, values, page_tokens):
    """keys, values [sequences, kv_heads, tokens, head_dim] -> pool, block_table, in random order."""
    sequences, heads, tokens, head_dim = keys.shape
    pages = -(-tokens // page_tokens)
    room = torch.zeros(sequences, heads, pages * page_tokens, 2, head_dim)
    room[:, :, :tokens, 0] = keys
    room[:, :, :tokens, 1] = values
    room = room.view(-1, page_tokens, 2, head_dim).transpose(1, 2)
    order = torch.randperm(room.shape[0])
    pool = torch.empty_like(room, memory_format=torch.contiguous_format)
    pool[order] = room
    return pool, order.int().view(sequences, heads, pages)


sdpa = torch.nn.functional.scaled_dot_product_attention
for kv_heads, group, head_dim, page_tokens, tokens in [(3, 3, 64, 64, 500), (2, 4, 128, 16, 333),
                                                       (1, 1, 80, 1, 70)]:
    sequences = 2
    heads = kv_heads * group
    keys = torch.randn(sequences, kv_heads, tokens, head_dim)
    values = torch.randn(sequences, kv_heads, tokens, head_dim)
    pool, block_table = paged(keys, values, page_tokens)
    lengths = torch.full((sequences, kv_heads), tokens, dtype=torch.int32)
    name = f"{heads} heads of {head_dim} on {kv_heads}, pages of {page_tokens}"

    q = torch.randn(sequences * tokens, heads, head_dim)
    offsets = torch.tensor([0, tokens, 2 * tokens], dtype=torch.int32)
    out, lse = torch.ops.scsim.attention_prefill(q, offsets, pool, block_table, lengths,
                                                 head_dim ** -0.5)
    split = q.view(sequences, tokens, heads, head_dim).transpose(1, 2)
    expected = sdpa(split, keys, values, is_causal=True, enable_gqa=True)
    compare(f"prefill, {name}", out, expected.transpose(1, 2).flatten(0, 1))

    q = torch.randn(sequences, heads, head_dim)
    out, lse = torch.ops.scsim.attention_decode(q, pool, block_table, lengths, head_dim ** -0.5)
    expected = sdpa(q.unsqueeze(2), keys, values, enable_gqa=True)
    compare(f"decode, {name}", out, expected.squeeze(2))
    logits = torch.matmul(q.view(sequences, kv_heads, group, head_dim), keys.transpose(2, 3))
    compare(f"LSE of decode, {name}", lse,
            torch.logsumexp(logits * head_dim ** -0.5, -1).flatten(1))

sys.exit(1 if failed else 0)
