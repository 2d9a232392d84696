"""llama.cpp on the same GGUF file, as bench_model measures ours: a prompt of n random tokens, then a
step behind it, on two threads.

    python tests/bench/beside_llama_cpp.py MODEL.gguf [512 2048 8192]

Slow to set up: llama-cpp-python builds from source in well over ten minutes (40 on one busy core):
    pip install llama-cpp-python
"""
import random
import sys
import time

try:
    import llama_cpp
except ImportError as error:
    print(f"SKIPPED: {error}; pip install llama-cpp-python")
    sys.exit(0)

RUNS, STEPS, THREADS = 5, 16, 2


def main():
    model, lengths = sys.argv[1], [int(n) for n in sys.argv[2:]] or [512, 2048, 8192]
    for n in lengths:
        llama = llama_cpp.Llama(model, n_ctx=n + STEPS + 8, n_batch=512, n_threads=THREADS,
                                n_threads_batch=THREADS, verbose=False)
        tokens = [random.Random(1).randrange(llama.n_vocab()) for _ in range(n)]
        prefills, steps = [], []
        for _ in range(RUNS if n <= 2048 else 1):
            llama.reset()
            begin = time.perf_counter()
            llama.eval(tokens)
            prefills.append(time.perf_counter() - begin)
            begin = time.perf_counter()
            for token in tokens[:STEPS]:
                llama.eval([token])
            steps.append((time.perf_counter() - begin) / STEPS)
        print(f"llama.cpp {llama_cpp.__version__} {n:5}: prefill {min(prefills) * 1e3:.0f} ms, "
              f"{n / min(prefills):.0f} tokens/s; decode {min(steps) * 1e3:.2f} ms a token, "
              f"{1 / min(steps):.0f} tokens/s", flush=True)


main()
