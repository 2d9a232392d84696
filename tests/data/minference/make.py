# What the `minference` package (PyPI, 0.1.6.0) chooses on fixed inputs, as a third opinion on our
# index and lists. Needs torch, g++ and the unpacked source of the package; no GPU:
#
#   pip download --no-deps --no-binary :all: minference==0.1.6.0 && tar xzf minference-0.1.6.0.tar.gz
#   python make.py minference-0.1.6.0 > released.json
#
# Its Python for the estimate, the top columns and diagonals and the pooled blocks is taken out of its
# files by name and run as it is; its CUDA kernel that turns columns and diagonals into lists is plain
# C inside, so it is compiled as such and called for one thread after another.
import ast
import ctypes
import json
import math
import os
import re
import subprocess
import sys
import tempfile

import torch

package = sys.argv[1]


def function(path, name):
    source = open(os.path.join(package, path)).read()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            scope = {"torch": torch, "math": math}
            exec(ast.get_source_segment(source, node), scope)
            return scope[name]
    raise SystemExit(f"{path} has no {name}")


diagonal_sums = function("minference/modules/minference_forward.py", "sum_all_diagonal_matrix")
block_index = function("minference/ops/block_sparse_flash_attention.py", "_build_block_index")


def numbers(seed, count):
    # Uniform in -1 .. 1 with 16 bits; tests/methods/minference_index_test.cpp has the same.
    values = []
    for _ in range(count):
        seed = (1103515245 * seed + 12345) % 2**31
        values.append((seed >> 8) % 65536 / 32768 - 1)
    return torch.tensor(values)


def build_lists(columns, diagonals, tokens):
    source = open(os.path.join(package, "csrc/vertical_slash_index.cu")).read()
    body = source[source.index("__device__ void save_blocks"):source.index("void convert_vertical_slash_indexes_64x64")]
    with tempfile.TemporaryDirectory() as folder:
        with open(folder + "/lists.cpp", "w") as file:
            file.write("#include <algorithm>\nusing std::max; using std::min;\n"
                       "#define __device__\n#define __global__ extern \"C\"\n"
                       "struct Index { int x, y, z; } blockIdx{0, 0, 0}, threadIdx{0, 0, 0}, blockDim{1, 1, 1};\n"
                       "extern \"C\" void set_block(int z) { blockIdx.z = z; }\n" + body)
        subprocess.check_call(["g++", "-O1", "-shared", "-fPIC", "-w", folder + "/lists.cpp", "-o", folder + "/lists.so"])
        library = ctypes.CDLL(folder + "/lists.so")
    rows = (tokens + 63) // 64
    array = lambda n: (ctypes.c_int * n)()
    given = lambda values: (ctypes.c_int * len(values))(*values)
    block_count, column_count = array(rows), array(rows)
    block_offset, column_index = array(rows * len(diagonals)), array(rows * len(columns))
    for row in range(rows):
        library.set_block(row)
        library.convert_vertical_slash_indexes_kernel(
            given([tokens]), given(columns), given(diagonals), block_count, block_offset, column_count,
            column_index, 1, rows, 64, 64, len(columns), len(diagonals))
    return [{"tiles": block_offset[r * len(diagonals):][:block_count[r]],
             "columns": column_index[r * len(columns):][:column_count[r]]} for r in range(rows)]


def vertical_slash(q, k, vertical_size, slash_size):
    # The kernel's own lines, for a head at a time (modules/minference_forward.py, the path of forward()).
    tokens, dim = k.shape
    vertical_size, slash_size = min(tokens, max(vertical_size, 30)), min(tokens, max(slash_size, 50))
    last_q = min(64, tokens)
    qk = torch.einsum("bhmk, bhnk -> bhmn", q[None, None, -last_q:], k[None, None]) / math.sqrt(dim)
    mask = torch.arange(last_q)[:, None] >= torch.arange(last_q)[None, :]
    qk[..., -last_q:] = torch.where(mask, qk[..., -last_q:], -torch.inf)
    qk = torch.nn.functional.softmax(qk, dim=-1, dtype=torch.float32)
    vertical = qk.sum(-2, keepdim=True)
    column_scores = vertical.flatten().tolist()
    vertical[..., :30] = torch.inf
    columns = torch.topk(vertical, vertical_size, -1).indices.flatten().tolist()
    slash = diagonal_sums(qk)[..., :-last_q + 1] if last_q > 1 else diagonal_sums(qk)
    diagonal_scores = slash.flatten().tolist()
    slash[..., -100:] = torch.inf
    diagonals = ((tokens - 1) - torch.topk(slash, slash_size, -1).indices).flatten().tolist()
    return column_scores, diagonal_scores, sorted(columns), sorted(diagonals, reverse=True)


cases = []
for seed, tokens, vertical_size, slash_size in [(1, 333, 40, 120), (2, 500, 60, 150), (3, 700, 35, 101), (4, 1000, 200, 300)]:
    dim = 16
    q, k = numbers(seed, tokens * dim).view(tokens, dim) * 3, numbers(seed + 100, tokens * dim).view(tokens, dim)
    column_scores, diagonal_scores, columns, diagonals = vertical_slash(q, k, vertical_size, slash_size)
    pad = -tokens % 64
    padded = [torch.nn.functional.pad(t, [0, 0, 0, pad])[None, None] for t in (q, k)]
    cases.append({
        "seed": seed, "tokens": tokens, "dim": dim, "vertical": vertical_size, "slash": slash_size,
        "column_scores": [round(v, 5) for v in column_scores[:40]],
        "diagonal_scores": [round(v, 5) for v in diagonal_scores[-40:]],
        "columns": columns, "diagonals": diagonals, "lists": build_lists(columns, diagonals, tokens),
        # Rows with fewer valid blocks than the top k name invalid ones, which its kernel masks.
        "blocks": [[b for b in row if b <= i] for i, row in enumerate(block_index(*padded, 4)[0, 0].tolist())],
    })
print(json.dumps({"package": "minference 0.1.6.0", "cases": cases}, separators=(",", ":")))
