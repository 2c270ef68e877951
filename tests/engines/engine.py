"""What the scripts of the engines share: the fixed inputs, and how results are told.

    with_ENGINE.py [--load] [--text TEXT] FOLDER...
    with_ENGINE.py --knows < CLASSES.json

Each folder is opened as the engine's users do, in a fork of its own (what takes longest is importing the engine), and for each
one JSON object is printed: {engine, version, output: {tokens, values}, load_seconds, peak_rss}, or {error}.

--load    no more than loading
--text    another input for the tokenizer
--knows   instead: which classes of [{class, model_type}] the engine's own registry has, {engine, version, classes}
"""
import argparse, importlib.metadata, json, os, pathlib, signal, sys, time, traceback

TEXT = "The quick brown fox jumps over 13 lazy dogs."
# Within the smallest vocabulary of the corpus, 448; the same as in examples/candle.
TOKENS = [5, 42, 300, 7, 99, 21, 180, 64]
NEW_TOKENS = 16
FOLDER_SECONDS = 600


def config(folder):
    return json.loads((pathlib.Path(folder) / "config.json").read_text())


def is_generator(name):
    """Whether the class makes text; the others make embeddings."""
    return name.endswith(("ForCausalLM", "LMHeadModel"))


def generates(folder):
    return is_generator(config(folder)["architectures"][0])


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


def main(engine, version, load, use, prepare=lambda folder: None, knows=None):
    """Opens each folder with `load`, and has `use` make {tokens, values} of what that returns, but for `--load`.

    `version` is that of the package of this name, or what it returns. `load` returns when every weight has been read; what an engine
    imports only when it sees a folder is `prepare`'s. `knows` tells of a class and a model_type whether the engine has it.
    """
    global TEXT
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--load", action="store_true")
    parser.add_argument("--text", default=TEXT)
    parser.add_argument("--knows", action="store_true")
    parser.add_argument("folders", nargs="*")
    arguments = parser.parse_args()
    TEXT = arguments.text
    told = {"engine": engine, "version": version() if callable(version) else importlib.metadata.version(version)}

    def report(folder):
        prepare(folder)
        start = time.perf_counter()
        model = load(folder)
        load_seconds = time.perf_counter() - start
        output = None if arguments.load else use(folder, model)
        return told | {"output": output, "load_seconds": load_seconds, "peak_rss": peak_rss()}

    if arguments.knows:
        asked = json.load(sys.stdin)
        print(json.dumps(told | {"classes": [one["class"] for one in asked if knows(one["class"], one["model_type"])]}))
    for folder in arguments.folders:
        forked(lambda: report(folder))


def forked(report):
    """Prints what `report` returns in a child of this process; that it fails, hangs or crashes is a report too."""
    pid = os.fork()
    if pid:
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status:
            print(json.dumps({"error": f"died with status {status}"}), flush=True)
        return
    signal.alarm(FOLDER_SECONDS)
    try:
        told = report()
    except Exception as error:
        traceback.print_exc()
        told = {"error": " ".join(f"{type(error).__name__}: {error}".split())}
    print(json.dumps(told), flush=True)
    os._exit(0)  # some engines' threads outlive the interpreter and crash
