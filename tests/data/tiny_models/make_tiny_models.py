"""Makes the tiny checkpoints of this folder, with the logits that transformers computes from them.

    python make_tiny_models.py [NAME...]  # needs torch, transformers 5, safetensors, gguf

Each folder has a random network of two to four layers: config.json and safetensors as Hugging Face writes
them, mostly the same network as model.gguf in the form that llama.cpp's converter gives it, and
expected.safetensors: `tokens` [40] (as floats), `logits` [40, vocabulary] computed in float32 with
eager attention from the weights as stored, and, where there is a rotary embedding, its
`frequencies` and `attention_factor`. quantised.gguf has one tensor of every quantised type, quantised.safetensors what the
gguf package makes of them.
"""

import json
import pathlib
import shutil
import sys

import gguf
import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file

HERE = pathlib.Path(__file__).parent
VOCABULARY, TOKENS = 96, 40
BASE = dict(
    vocab_size=VOCABULARY,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=0,
)


def rope(rope_type, theta=10000.0, **more):
    return dict(rope_type=rope_type, rope_theta=theta, **more)


# name: (class of model, what differs from BASE, type of the weights)
MODELS = {
    "llama": ("Llama", dict(), torch.float32),
    "llama_llama3": (
        "Llama",
        dict(
            head_dim=16,
            tie_word_embeddings=True,
            rope_parameters=rope(
                "llama3", 500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                original_max_position_embeddings=32),
        ),
        torch.bfloat16,
    ),
    "llama_linear": (
        "Llama",
        dict(attention_bias=True, mlp_bias=True, rope_parameters=rope("linear", factor=4.0)),
        torch.float16,
    ),
    "llama_yarn": (
        "Llama",
        dict(
            head_dim=16,
            num_key_value_heads=4,
            rope_parameters=rope(
                "yarn", factor=4.0, beta_fast=16.0, beta_slow=2.0,
                original_max_position_embeddings=16),
        ),
        torch.bfloat16,
    ),
    "qwen2": ("Qwen2", dict(tie_word_embeddings=True, rms_norm_eps=1e-5), torch.bfloat16),
    "qwen3": ("Qwen3", dict(head_dim=16), torch.float16),
    "mistral": ("Mistral", dict(sliding_window=12, num_key_value_heads=1), torch.bfloat16),
    "glm": ("Glm", dict(head_dim=16, num_key_value_heads=1), torch.bfloat16),
    "glm4": ("Glm4", dict(head_dim=16), torch.bfloat16),
    "mixtral": (
        "Mixtral",
        dict(num_local_experts=4, num_experts_per_tok=2, intermediate_size=24,
             sliding_window=None),
        torch.bfloat16,
    ),
    "qwen3_moe": (
        "Qwen3Moe",
        dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16, head_dim=8,
             norm_topk_prob=False),
        torch.bfloat16,
    ),
    # Codestral-Mamba's shape: eight groups of heads, biases of the convolution only.
    "mamba2": (
        "Mamba2",
        dict(num_heads=16, head_dim=4, n_groups=8, state_size=16, chunk_size=16),
        torch.bfloat16,
    ),
    "mamba2_biases": (
        "Mamba2",
        dict(num_heads=4, head_dim=16, n_groups=1, state_size=8, chunk_size=8, use_bias=True,
             use_conv_bias=False, conv_kernel=3, time_step_limit=[0.05, 0.4],
             tie_word_embeddings=True),
        torch.float32,
    ),
    "mamba": ("Mamba", dict(state_size=8, time_step_rank=3), torch.float32),
    "jamba": (
        "Jamba",
        dict(num_hidden_layers=4, attn_layer_period=4, attn_layer_offset=2, num_experts=4,
             num_experts_per_tok=2, expert_layer_period=2, expert_layer_offset=1,
             intermediate_size=24, mamba_d_state=8, mamba_dt_rank=4),
        torch.bfloat16,
    ),
    "bamba": (
        "Bamba",
        dict(num_hidden_layers=3, attn_layer_indices=[1], mamba_n_heads=8, mamba_d_head=8,
             mamba_n_groups=2, mamba_d_state=16, mamba_chunk_size=16, head_dim=8),
        torch.bfloat16,
    ),
}
RECURRENT = {"mamba2", "mamba2_biases", "mamba", "jamba", "bamba"}
WITHOUT_ATTENTION = {"Mamba", "Mamba2"}  # their configurations know nothing of it
WITHOUT_GGUF = {"mistral"} | RECURRENT  # the format's llama does not say the window
SHARDED = {"llama_linear"}
OLD_CONFIG = {"llama_llama3", "glm4", "mamba2"}  # config.json as transformers 4 wrote it


def fill(model, generator):
    for name, parameter in sorted(model.named_parameters()):
        noise = torch.randn(parameter.shape, generator=generator)
        if "norm" in name:
            value = 1 + 0.2 * noise
        elif name.endswith("A_log"):
            value = noise
        elif name.endswith(("dt_bias", "dt_proj.bias")):
            value = noise - 2  # time steps that remember
        elif name.endswith("bias"):
            value = 0.2 * noise
        elif "embed" in name:
            value = noise
        else:
            value = noise / parameter.shape[-1] ** 0.5
        parameter.data.copy_(value)


def write_old_config(folder):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    if "time_step_limit" in config:
        config["time_step_limit"] = [0.0, float("inf")]  # a bare word
        config["residual_in_fp32"], config["rms_norm"], config["norm_before_gate"] = True, True, True
        config["torch_dtype"] = config.pop("dtype")
        path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
        return
    parameters = config.pop("rope_parameters")
    config["rope_theta"] = parameters.pop("rope_theta")
    if "partial_rotary_factor" in parameters:
        config["partial_rotary_factor"] = parameters.pop("partial_rotary_factor")
    config["rope_scaling"] = None if parameters["rope_type"] == "default" else parameters
    config["torch_dtype"] = config.pop("dtype")
    config["transformers_version"] = "4.52.0"
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def make(name):
    family, changes, dtype = MODELS[name]
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    options = BASE | changes
    if family in WITHOUT_ATTENTION:
        for option in ("intermediate_size", "num_attention_heads", "num_key_value_heads",
                       "max_position_embeddings"):
            del options[option]
    config = getattr(transformers, family + "Config")(**options)
    config._attn_implementation = "eager"
    model = getattr(transformers, family + "ForCausalLM")(config)
    fill(model, torch.Generator().manual_seed(sum(map(ord, name))))
    model.to(dtype)
    size = "30KB" if name in SHARDED else "1GB"
    model.save_pretrained(folder, max_shard_size=size)
    if name in OLD_CONFIG:
        write_old_config(folder)

    model = getattr(transformers, family + "ForCausalLM").from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager").eval()
    tokens = torch.randint(3, VOCABULARY, (TOKENS,), generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        logits = model(tokens[None]).logits[0]
    rotary = getattr(getattr(model, "model", None), "rotary_emb", None)
    expected = {"tokens": tokens.float(), "logits": logits.float().contiguous()}
    if rotary is not None:
        expected["frequencies"] = rotary.inv_freq.float().contiguous()
        expected["attention_factor"] = torch.tensor([float(rotary.attention_scaling)])
    save_file(
        expected,
        folder / "expected.safetensors",
    )
    if name not in WITHOUT_GGUF:
        write_gguf(name, folder, model.config, dtype, rotary)
    print(name, f"logits std {logits.std():.2f}")


ARCHITECTURES = {"Llama": "llama", "Mixtral": "llama", "Qwen2": "qwen2", "Qwen3": "qwen3",
                 "Qwen3Moe": "qwen3moe", "Glm": "chatglm", "Glm4": "glm4"}
TENSORS = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.gate_up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "post_attention_layernorm": "ffn_norm",
    "post_self_attn_layernorm": "post_attention_norm",
    "post_mlp_layernorm": "post_ffw_norm",
    "block_sparse_moe.gate": "ffn_gate_inp",
    "mlp.gate": "ffn_gate_inp",
    "w1": "ffn_gate_exps",
    "w2": "ffn_down_exps",
    "w3": "ffn_up_exps",
    "gate_proj": "ffn_gate_exps",
    "down_proj": "ffn_down_exps",
    "up_proj": "ffn_up_exps",
}


def move_rows(rows, heads):
    """Rows i and i + head_dim/2 of each head, which rotate together, become neighbours."""
    shape = rows.shape
    return rows.reshape(heads, 2, shape[0] // heads // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def gguf_tensors(folder, config, moved):
    """(name, tensor) of everything in the safetensors files, as llama.cpp's converter names it."""
    stored = {}
    for path in sorted(folder.glob("model*.safetensors")):
        stored |= load_file(path)
    stacks = {}
    for name, tensor in sorted(stored.items()):
        whole = {"model.embed_tokens.weight": "token_embd.weight", "lm_head.weight": "output.weight",
                 "model.norm.weight": "output_norm.weight"}
        if name in whole:
            yield whole[name], tensor
            continue
        _, _, layer, rest = name.split(".", 3)
        key, suffix = rest.rsplit(".", 1)
        if ".experts." in key:
            _, expert = key.split(".experts.")
            expert, part = expert.split(".")
            stacks.setdefault(f"blk.{layer}.{TENSORS[part]}.{suffix}", []).append(
                (int(expert), tensor))
            continue
        if moved and key.endswith("q_proj"):
            tensor = move_rows(tensor, config.num_attention_heads)
        if moved and key.endswith("k_proj"):
            tensor = move_rows(tensor, config.num_key_value_heads)
        yield f"blk.{layer}.{TENSORS[key]}.{suffix}", tensor
    for name, parts in stacks.items():
        yield name, torch.stack([tensor for _, tensor in sorted(parts, key=lambda p: p[0])])


def write_gguf(name, folder, config, dtype, rotary):
    family = MODELS[name][0]
    architecture = ARCHITECTURES[family]
    writer = gguf.GGUFWriter(folder / "model.gguf", architecture)
    writer.add_name(name)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_bos_token_id(config.bos_token_id)
    writer.add_eos_token_id(config.eos_token_id)
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    parameters = config.rope_parameters
    writer.add_rope_freq_base(parameters["rope_theta"])
    writer.add_rope_dimension_count(int(head_dim * parameters.get("partial_rotary_factor", 1.0)))
    if parameters["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(parameters["factor"])
    elif parameters["rope_type"] == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(parameters["factor"])
        writer.add_rope_scaling_orig_ctx_len(parameters["original_max_position_embeddings"])
        writer.add_rope_scaling_yarn_beta_fast(parameters["beta_fast"])
        writer.add_rope_scaling_yarn_beta_slow(parameters["beta_slow"])
    elif parameters["rope_type"] == "llama3":
        plain = parameters["rope_theta"] ** -(np.arange(0, head_dim, 2) / head_dim)
        divisors = plain / rotary.inv_freq.double().numpy()
        writer.add_tensor("rope_freqs.weight", divisors.astype(np.float32))
    if family == "Mixtral" or family == "Qwen3Moe":
        writer.add_expert_count(getattr(config, "num_local_experts", None) or config.num_experts)
        writer.add_expert_used_count(config.num_experts_per_tok)
    if family == "Qwen3Moe":
        writer.add_expert_feed_forward_length(config.moe_intermediate_size)
        writer.add_expert_weights_norm(config.norm_topk_prob)
    types = {torch.float32: gguf.GGMLQuantizationType.F32,
             torch.float16: gguf.GGMLQuantizationType.F16,
             torch.bfloat16: gguf.GGMLQuantizationType.BF16}
    for tensor_name, tensor in gguf_tensors(folder, config, architecture == "llama"):
        vector = tensor.ndim == 1 or "ffn_gate_inp" in tensor_name
        kind = gguf.GGMLQuantizationType.F32 if vector else types[dtype]
        values = tensor.float().contiguous().numpy()
        writer.add_tensor(tensor_name, gguf.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def random_blocks(random, kind, blocks):
    """Bytes of any value, but for the float16 scales, which are made ordinary numbers."""
    _, size = gguf.GGML_QUANT_SIZES[kind]
    data = random.integers(0, 256, (blocks, size), dtype=np.uint8)
    positions = [size - 2] if kind.name == "Q6_K" else [0]
    if kind.name in ("Q4_1", "Q5_1", "Q4_K", "Q5_K"):
        positions.append(2)
    for position in positions:
        scales = (random.standard_normal(blocks) * 0.01).astype(np.float16)
        data[:, position:position + 2] = scales.view(np.uint8).reshape(blocks, 2)
    return data


def write_quantised():
    random = np.random.default_rng(5)
    writer = gguf.GGUFWriter(HERE / "quantised.gguf", "none")
    expected = {}
    for name in ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"):
        kind = gguf.GGMLQuantizationType[name]
        elements, _ = gguf.GGML_QUANT_SIZES[kind]
        data = random_blocks(random, kind, 2 * 512 // elements).reshape(2, -1)
        writer.add_tensor(name, data, raw_dtype=kind)
        expected[name] = torch.from_numpy(gguf.dequantize(data, kind).copy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file(expected, HERE / "quantised.safetensors")


if __name__ == "__main__":
    for model_name in sys.argv[1:] or MODELS:
        make(model_name)
    if not sys.argv[1:]:
        write_quantised()
    for written in HERE.rglob("*.*"):
        written.chmod(0o644)
