"""Random scenarios for log_steps.py, and the real scheduler's logs of them.

    python fuzz.py OUT_DIR --count 400 --seed 1 [--no-oracle]

Writes OUT_DIR/scenarios/*.json and OUT_DIR/logs/*.jsonl. A scenario on which vLLM raises, gets stuck (1,000 idle steps) or needs more than MAX_STEPS steps is
dropped and another seed takes its place, so the count is reached. Deterministic in the seed.
"""
import argparse, json, os, random, sys, tempfile, time

MAX_STEPS, MAX_CELLS = 6000, 60000          # steps, and the sum over steps of scheduled requests


def cdiv(a, b):
    return -(-a // b)


def pick(rng, *weighted):
    return rng.choices([v for v, _ in weighted], [w for _, w in weighted])[0]


THEMES = ("mixed", "thrash", "edges", "answers", "tree", "priority", "interval", "reserve_off", "model_len", "same_step", "big", "threshold", "tiny_outputs", "duplicates", "priority_thrash", "priority_prefill", "interval_hits")


def make(seed):
    rng = random.Random(f"scsim/{seed}")
    theme = THEMES[seed % len(THEMES)]
    R = lambda a, b: rng.randint(a, b)
    bs = pick(rng, (1, 1), (2, 1), (3, 1), (4, 2), (5, 1), (8, 2), (13, 1), (16, 6), (32, 2), (48, 1), (64, 2), (128, 1))
    if theme in ("edges", "tree", "duplicates"): bs = rng.choice([2, 4, 8, 16, 16, 32])
    budget = pick(rng, (16, 1), (32, 1), (R(17, 100), 2), (128, 2), (256, 2), (512, 2), (R(100, 2000), 2), (2048, 3), (8192, 2))
    if theme == "big": budget = rng.choice([512, 2048, 8192])
    if theme == "priority_prefill": bs, budget = rng.choice([2, 4, 8, 16]), rng.choice([32, 64, R(40, 150), 256])
    if theme == "interval_hits": bs, budget = rng.choice([2, 4, 8, 16]), rng.choice([64, 512, 2048])
    seqs = min(budget, pick(rng, (1, 1), (2, 1), (3, 1), (4, 2), (8, 3), (R(1, 128), 3), (64, 2), (128, 2)))
    if theme in ("thrash", "priority_thrash", "duplicates", "priority_prefill", "interval_hits"): seqs = min(budget, rng.choice([4, 8, 16, 64]))
    n = pick(rng, (R(5, 12), 3), (R(10, 30), 4), (R(30, 60), 2))
    span = min(4000 if theme == "big" else 900, max(24, 12 * budget))       # typical prompt, tokens
    span = max(3 * bs, min(span, pick(rng, (40, 2), (150, 3), (500, 3), (span, 1))))
    outs = pick(rng, (3, 1), (12, 3), (40, 3), (120, 2))
    if theme in ("thrash", "priority_thrash"): outs = rng.choice([60, 150, 250]); n = R(5, 20); span = min(span, 300)
    if theme == "tiny_outputs": outs = 1
    if theme == "priority_prefill": n, span, outs = R(6, 20), rng.choice([200, 400, 600]), rng.choice([2, 5, 20, 60])
    if theme == "interval_hits": n, span, outs = R(10, 30), min(span, 150), rng.choice([3, 4, 12, 20])
    one_out = rng.random() < 0.15                             # then many finish in the same step
    long_out = lambda: outs if one_out else pick(rng, (1, 1), (R(1, 3), 1), (R(1, outs), 5), (outs, 1))
    edge = lambda: max(1, pick(rng, (0, 2), (-1, 1), (1, 1)) + bs * R(1, max(1, span // bs)))
    length = lambda: pick(rng, (edge(), 4 if theme in ("edges", "duplicates") else 1), (R(1, max(1, span)), 3), (R(1, bs + 1), 0.5))

    docs = [(f"doc{i}", length()) for i in range(R(1, 4))]
    names = [f"r{i}" for i in range(n)]
    if rng.random() < 0.5: rng.shuffle(names)                 # string order differs from file order
    planned, requests, at = {}, [], 1
    gap = pick(rng, ([0], 2), ([0, 0, 1], 3), ([0, 1, 3, 8], 3), ([0, 0, 0, 25], 2), ([5, 20, 60], 1))
    if theme == "same_step": gap = [0, 0, 0, 0, 7]
    if theme == "priority_prefill": gap = rng.choice([[0, 1, 3], [1, 4, 9], [0, 0, 12]])
    if theme == "interval_hits": gap = rng.choice([[0, 1, 2, 40], [0, 1, 1, 30], [1, 1, 25], [1, 3]])
    tree = {}
    arrivals = {}
    for i, name in enumerate(names):
        out = long_out()
        kind = pick(rng, ("fresh", 2), ("doc", 4), ("docpart", 2), ("tree", 8 if theme == "tree" else 2), ("copy", 8 if theme in ("same_step", "duplicates") else 2),
                    ("turn", 8 if theme == "answers" else 1.5), ("offset", 1), ("split", 1), ("future", 2 if theme == "answers" else 0.5), ("self", 0.2))
        earlier = requests[-1 - R(0, min(5, len(requests) - 1))] if requests else None
        if kind in ("copy", "turn") and not earlier: kind = "doc"
        doc, dlen = rng.choice(docs)
        if kind == "fresh": prompt = [[f"p{name}", 0, length()]]
        elif kind == "doc": prompt = [[doc, 0, dlen]] + ([[f"q{name}", 0, R(1, 2 * bs)]] if rng.random() < 0.7 else [])
        elif kind == "docpart": prompt = [[doc, 0, max(1, min(dlen, edge() if rng.random() < 0.5 else R(1, dlen)))], [f"q{name}", 0, R(1, bs + 3)]]
        elif kind == "tree":                                  # branches, at block edges or in the middle of a block
            prompt, node = [], "t"
            for _ in range(R(1, 5)):
                if node not in tree: tree[node] = rng.choice([bs, 2 * bs, R(1, 3 * bs), max(1, bs - 1), bs + 1])
                prompt.append([node, 0, tree[node]])
                node += rng.choice("ab")
            if rng.random() < 0.4: prompt.append([f"q{name}", 0, R(1, bs)])
        elif kind == "copy":
            prompt = [list(s) for s in earlier["prompt"]]
            if rng.random() < 0.25: prompt.append([f"q{name}", 0, R(1, bs + 1)])
        elif kind == "turn":                                  # the answer may be finished, still being produced, or longer than what is asked for
            asked = pick(rng, (planned[earlier["id"]], 4), (max(1, planned[earlier["id"]] - 1), 1), (R(1, planned[earlier["id"]]), 2), (planned[earlier["id"]] + R(1, 5), 1))
            prompt = [list(s) for s in earlier["prompt"]] + [["out:" + earlier["id"], 0, asked]]
            if rng.random() < 0.8: prompt.append([f"q{name}", 0, R(1, bs + 5)])
        elif kind == "offset": prompt = [[doc, rng.choice([bs, R(1, 2 * bs)]), length()], [f"q{name}", R(0, 9), R(1, 9)]]
        elif kind == "split":                                 # adjacent spans of one content == one span
            a = R(1, max(1, dlen - 1)); prompt = [[doc, 0, a]] + ([[doc, a, dlen - a]] if dlen > a else []) + [[f"q{name}", 0, R(1, 3)], [f"q{name}", 3, R(1, bs)]]
        elif kind == "future":                                # the answer of a request that has not started
            other = rng.choice(names); prompt = [[doc, 0, dlen], ["out:" + other, 0, R(1, 2 * bs)]]
        else: prompt = [[doc, 0, dlen], ["out:" + name, 0, R(1, 2 * bs)]]
        if theme in ("edges", "duplicates") and rng.random() < 0.7:      # pad to a block edge, or one beside it
            total = sum(s[2] for s in prompt)
            pad = -total % bs + pick(rng, (0, 4), (1, 1), (bs - 1, 1))
            if pad: prompt.append([rng.choice([f"pad", f"pad{name}"]), 0, pad])
        if theme == "interval_hits" and rng.random() < 0.7:              # all but one token found: one past a block edge
            prompt = [[doc, 0, max(1, dlen // bs) * bs + 1]]
        if theme == "priority_prefill" and rng.random() < 0.6: prompt = [[f"p{name}", 0, R(span // 3, span)]] if rng.random() < 0.6 else [[doc, 0, R(1, dlen)], [f"p{name}", 0, R(span // 4, span)]]
        entry = {"id": name, "arrival_step": at, "prompt": prompt, "output_tokens": out}
        if rng.random() < (0.9 if theme.startswith("priority") else 0.2): entry["priority"] = pick(rng, (R(0, 2), 4), (R(-3, 9), 1), (0, 2))
        if theme == "priority_prefill": entry["priority"] = (n - i) // rng.choice([1, 1, 2, 4])     # later ones are more urgent: the victim stands ahead of the requester
        planned[name] = out
        requests.append(entry); arrivals[name] = at
        at += rng.choice(gap)
    if rng.random() < 0.35:
        salts = rng.choice([["x", "y"], ["x", None], ["x", "y", "", None]])
        for e in requests:
            s = rng.choice(salts)
            if s is not None: e["salt"] = s
    if rng.random() < 0.15:                                    # the file need not be in the order of arrival
        rng.shuffle(requests)

    total = lambda e: sum(s[2] for s in e["prompt"])
    scenario = {"name": f"fuzz{seed:05d}_{theme}", "block_size": bs, "num_blocks": 0, "max_num_batched_tokens": budget, "max_num_seqs": seqs}
    longest = max(total(e) + e["output_tokens"] for e in requests)
    limit = 65536
    if theme == "model_len" or rng.random() < 0.08:
        longest_prompt = max(total(e) for e in requests)
        limit = rng.choice([longest_prompt + 1, longest_prompt + 2, longest_prompt + R(1, max(1, outs)), cdiv(longest_prompt + 1, bs) * bs])
        scenario["max_model_len"] = limit
    need = max(cdiv(min(total(e) + e["output_tokens"] - 1, limit), bs) for e in requests)
    everything = sum(cdiv(total(e) + e["output_tokens"], bs) for e in requests)
    factor = pick(rng, (1.0, 2), (rng.uniform(1, 1.5), 3), (rng.uniform(1.5, 4), 4), (rng.uniform(4, 12), 2), (50, 2))
    if theme in ("thrash", "priority_thrash"): factor = rng.choice([1.0, rng.uniform(1, 1.3), rng.uniform(1.3, 3)])
    blocks = min(int(need * factor), everything + 5)
    scenario["num_blocks"] = max(need, blocks) + 1
    if theme.startswith("priority") or rng.random() < 0.3: scenario["policy"] = "priority"
    elif rng.random() < 0.1: scenario["policy"] = "fcfs"
    if rng.random() < 0.4: scenario["watermark"] = rng.choice([0.0, 0.01, 0.1, 0.3])
    if theme == "reserve_off" or rng.random() < 0.2: scenario["scheduler_reserve_full_isl"] = False
    elif rng.random() < 0.1: scenario["scheduler_reserve_full_isl"] = True
    if theme == "threshold" or rng.random() < 0.2: scenario["long_prefill_token_threshold"] = min(limit, max(1, rng.choice([1, 7, bs, bs + 1, budget // 2, budget // 4, R(1, 600)])))
    if theme == "interval" or rng.random() < 0.15: scenario["prefill_schedule_interval"] = rng.choice([1, 2, 3, 4, 8, 16])
    if theme == "priority_prefill":
        scenario["num_blocks"] = max(need, int(need * rng.choice([rng.uniform(1, 1.5), rng.uniform(1, 2.5), rng.uniform(1.5, 3.5)]))) + 1
        if rng.random() < 0.7: scenario["scheduler_reserve_full_isl"] = False
        if rng.random() < 0.7: scenario["long_prefill_token_threshold"] = max(1, budget // rng.choice([2, 3, 4]) + R(-1, 1))
        else: scenario.pop("long_prefill_token_threshold", None)
    if theme == "interval_hits": scenario["prefill_schedule_interval"] = rng.choice([3, 8, 16, 24])
    scenario["requests"] = requests
    return scenario


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out"); parser.add_argument("--count", type=int, default=400); parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-oracle", action="store_true"); parser.add_argument("--log-steps", default=os.path.dirname(os.path.abspath(__file__)), help="folder of log_steps.py")
    a = parser.parse_args()
    for d in ("scenarios", "logs"): os.makedirs(os.path.join(a.out, d), exist_ok=True)
    save = lambda s: json.dump(s, open(os.path.join(a.out, "scenarios", s["name"] + ".json"), "w"), separators=(",", ":"))
    if a.no_oracle:
        for k in range(a.count): save(make(a.seed + k))
        return
    sys.path.insert(0, a.log_steps)
    import log_steps
    log_steps.init_none_hash(log_steps.sha256)
    original = log_steps.make_scheduler

    def guarded(scenario, model_dir):                          # the scheduler itself stays untouched: only counts the calls
        scheduler = original(scenario, model_dir)
        schedule, used = scheduler.schedule, [0, 0]
        def counted():
            out = schedule()
            used[0] += 1; used[1] += len(out.num_scheduled_tokens)
            if used[0] > MAX_STEPS or used[1] > MAX_CELLS: raise RuntimeError("too long")
            return out
        scheduler.schedule = counted
        return scheduler
    log_steps.make_scheduler = guarded
    kept, dropped, seed, start = 0, [], a.seed, time.time()
    with tempfile.TemporaryDirectory() as model_dir:
        log_steps.LlamaConfig(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, vocab_size=1000,
                              max_position_embeddings=1 << 20, architectures=["LlamaForCausalLM"]).save_pretrained(model_dir)
        while kept < a.count:
            scenario = make(seed); seed += 1
            try:
                lines = log_steps.run(scenario, model_dir)
            except Exception as error:
                dropped.append((scenario["name"], f"{type(error).__name__}: {error}"[:200])); print("dropped", *dropped[-1], flush=True)
                continue
            save(scenario)
            with open(os.path.join(a.out, "logs", scenario["name"] + ".jsonl"), "w") as f:
                f.writelines(json.dumps(l, separators=(",", ":")) + "\n" for l in lines)
            kept += 1
            if kept % 50 == 0: print(kept, "kept", f"{time.time() - start:.0f}s", flush=True)
    print("kept", kept, "dropped", len(dropped), "last seed", seed - 1, f"{time.time() - start:.0f}s")


if __name__ == "__main__":
    main()
