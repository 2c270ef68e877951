"""What the scripts of the engines share: the fixed inputs, and how a result is told.

Each script opens the folder it is given as its engine's users do, and prints one JSON object:
{engine, version, output: {tokens, values}, load_seconds, peak_rss}. Imports are not part of the loading.
"""
import importlib.metadata, json, os, pathlib, sys, time

TEXT = "The quick brown fox jumps over 13 lazy dogs."
# Within the smallest vocabulary of the corpus, 448; the same as in examples/candle.
TOKENS = [5, 42, 300, 7, 99, 21, 180, 64]
NEW_TOKENS = 16


def config(folder):
    return json.loads((pathlib.Path(folder) / "config.json").read_text())


def generates(folder):
    """Whether the folder's class makes text; the others make embeddings."""
    return config(folder)["architectures"][0].endswith(("ForCausalLM", "LMHeadModel"))


def has_tokenizer(folder):
    return (pathlib.Path(folder) / "tokenizer.json").exists()


def touch(tensors):
    """Reads a byte of every page of torch tensors, which may be no more than mapped."""
    import torch  # which not every engine has

    for tensor in tensors:
        tensor.detach().flatten().view(torch.uint8)[::4096].sum().item()


def peak_rss():
    """Bytes. Not getrusage's, which outlives exec and so may be the runner's."""
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024


def main(engine, package, load, use, prepare=lambda folder: None):
    """Opens sys.argv[1] with `load`, and has `use` make {tokens, values} of what that returns.

    `load` returns when every weight has been read; what an engine imports only when it sees a folder is `prepare`'s.
    """
    folder = sys.argv[1]
    prepare(folder)
    start = time.perf_counter()
    model = load(folder)
    load_seconds = time.perf_counter() - start
    output = use(folder, model)
    report = {
        "engine": engine,
        "version": importlib.metadata.version(package),
        "output": output,
        "load_seconds": load_seconds,
        "peak_rss": peak_rss(),
    }
    print(json.dumps(report), flush=True)
    os._exit(0)  # some engines' threads outlive the interpreter and crash
