"""Makes chat.json: what transformers answers, greedily and in float32, to a short chat with
SmolLM2-135M-Instruct, from the same GGUF file that the test loads.

    python make_chat.py SmolLM2-135M-Instruct.Q4_1.gguf      # needs torch, transformers, gguf, accelerate

`margin` is the smallest distance between the two largest logits on the way: how far a computation
may be off before another token is right as well.
"""

import json
import pathlib
import sys

import torch
import transformers

CHAT = [{"role": "user",
         "content": "What is a rainbow?"}]
TOKENS = 48

path = pathlib.Path(sys.argv[1])
tokenizer = transformers.AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
model = transformers.AutoModelForCausalLM.from_pretrained(
    path.parent, gguf_file=path.name, dtype=torch.float32).eval()
text = "".join(f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in CHAT)
prompt = tokenizer.encode(text + "<|im_start|>assistant\n", add_special_tokens=False)
answer, margin = [], float("inf")
with torch.no_grad():
    for _ in range(TOKENS):
        logits = model(torch.tensor([prompt + answer])).logits[0, -1]
        best = logits.topk(2)
        margin = min(margin, float(best.values[0] - best.values[1]))
        answer.append(int(best.indices[0]))
        if answer[-1] == tokenizer.eos_token_id:
            break
out = pathlib.Path(__file__).parent / "chat.json"
out.write_text(json.dumps({"prompt": prompt, "answer": answer, "margin": round(margin, 4)}) + "\n")
print(tokenizer.decode(answer), "\nmargin", margin)
