"""scexec calibrate --server against a server that is not ours: transformers_server.py SCEXEC

Starts `transformers serve` on SmolLM2-135M-Instruct, in float32 on this machine's CPU, and has
SCEXEC ask it the sessions of a small calibration: in both prompt styles, the plain one killed once
on the way. SCEXEC then measures the same sessions on its own runtime, and the scores are held
against each other: two programs, one model, greedy decoding.

Prints what it found; ends with status 1 where something is wrong, and prints SKIPPED where this
Python cannot serve (transformers[serving] and gguf) or the model is not there.
"""
import csv
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"
DESIGN = ["--lengths", "300", "--turns", "2", "--sessions", "2", "--max-new-tokens", "16"]
failed = False


def skip(why):
    print(f"SKIPPED: {why}")
    sys.exit(0)


def check(right, what):
    global failed
    print(("" if right else "WRONG: ") + what, flush=True)
    failed |= not right


def cache():
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.environ.get("SCSIM_CACHE") or os.path.join(home, "scsim")


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def save_as_folder(folder):
    """As Hugging Face's tools have models: `serve` finds no architecture in a GGUF file."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        from transformers import GgufConfig

        plain = {"quantization_config": GgufConfig(dequantize=True)}
    except ImportError:  # older ones know no other way
        plain = {}
    model = AutoModelForCausalLM.from_pretrained(cache(), gguf_file=MODEL, dtype=torch.float32, **plain)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(cache(), gguf_file=MODEL).save_pretrained(folder)


def wait_for(url, server):
    until = time.monotonic() + 240
    while time.monotonic() < until:
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url + "/v1/models", timeout=2) as answer:
                return answer.read()
        except OSError:
            time.sleep(0.5)
    print("the server does not come up")
    sys.exit(1)


def medians(scexec, path):
    """Numbers of a calibration by (table, task, mode, tokens, turn, what)."""
    subprocess.run([scexec, "show", path, "--csv", path + ".csv"], check=True, stdout=subprocess.DEVNULL)
    with open(path + ".csv") as file:
        return {(row["table"], row["task"], row["mode"], row["length"], row["turn"], row["what"]): float(row["value"])
                for row in csv.DictReader(file)}


def main(scexec):
    for name in ("transformers", "torch", "gguf", "fastapi", "uvicorn", "openai", "pydantic"):
        if importlib.util.find_spec(name) is None:
            skip(f"this Python has no {name} (pip install 'transformers[serving]' gguf)")
    if not os.path.exists(os.path.join(cache(), MODEL)):
        skip(f"{MODEL} is not in {cache()}; ./scexec run fetches it")
    os.environ["HF_HUB_OFFLINE"] = "1"
    program = os.path.join(os.path.dirname(sys.executable), "transformers")
    program = program if os.path.exists(program) else shutil.which("transformers")
    with tempfile.TemporaryDirectory() as folder:
        model = os.path.join(folder, "SmolLM2")
        save_as_folder(model)
        url = f"http://127.0.0.1:{free_port()}"
        with open(os.path.join(folder, "server.log"), "w") as log:
            server = subprocess.Popen([program, "serve", model, "--host", "127.0.0.1", "--port",
                                       url.rsplit(":", 1)[1], "--device", "cpu", "--dtype", "float32"],
                                      stdout=log, stderr=log)
        try:
            wait_for(url, server)
            ask(scexec, url, folder)
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
            if failed:
                with open(os.path.join(folder, "server.log")) as log:
                    print(log.read()[-3000:])
    sys.exit(1 if failed else 0)


def ask(scexec, url, folder):
    def calibrate(out, *words):
        return [scexec, "calibrate", "-o", os.path.join(folder, out), *DESIGN, *words]

    def path(name):
        return os.path.join(folder, name)

    plain = calibrate("plain.pb", "--tasks", "kv,vt", "--server", url)
    # Killed when some of the samples are there; the same command goes on.
    first = subprocess.Popen(plain, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 300
    size, grown = 0, 0
    while time.monotonic() < until and first.poll() is None and grown < 4:
        now = os.path.getsize(path("plain.pb.partial")) if os.path.exists(path("plain.pb.partial")) else 0
        grown += now > size
        size = now
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    print(first.communicate()[1].strip(), flush=True)
    done = subprocess.run(plain, capture_output=True, text=True)
    print(done.stderr.strip())
    print(done.stdout.strip())
    check(done.returncode == 0, "the plain style, killed once, is done")
    check(" 8 samples, " in done.stdout and " 8 of them" not in done.stdout, "what was there was not asked again")

    ours = subprocess.run(calibrate("ours.pb", "--tasks", "kv,vt"), capture_output=True, text=True)
    check(ours.returncode == 0, "our own runtime has measured the same sessions")
    served, own = medians(scexec, path("plain.pb")), medians(scexec, path("ours.pb"))
    scores = [key for key in own if key[0] == "scores" and key[5] == "strict" and key[4] == "all"]
    same = [key for key in scores if abs(own[key] - served[key]) < 1e-9]
    check(len(same) == len(scores) > 0,
          f"{len(same)} of {len(scores)} mean scores are the same as on our own runtime")
    check(any(own[key] > 0 for key in scores), "and not all of them are zero")
    for length in ("300",):
        cell = ("costs", "", "multi_turn", length, "1")
        words = [f"{name} {1000 * served[(*cell, name)]:.1f} ms"
                 for name in ("ttft_seconds_median", "itl_seconds_median")]
        words += [f"our {name} {1000 * own[(*cell, name)]:.1f} ms" for name in ("ttft_seconds_median",)]
        print(f"first turn, {length} tokens: " + ", ".join(words))

    chat = subprocess.run(calibrate("chat.pb", "--tasks", "kv", "--style", "released", "--server", url),
                          capture_output=True, text=True)
    print((chat.stderr + chat.stdout).strip())
    check(chat.returncode == 0, "the released style, a conversation, is done")

    wrong = subprocess.run(calibrate("wrong.pb", "--tasks", "kv", "--server", url, "--server-model", "SmoLM2"),
                           capture_output=True, text=True)
    check(wrong.returncode == 1 and "unknown model" in wrong.stderr, "a model that it has not: " + wrong.stderr.strip())
    print(subprocess.run([scexec, "show", path("plain.pb")], capture_output=True, text=True).stdout)


main(sys.argv[1])
