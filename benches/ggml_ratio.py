#!/usr/bin/env python3
"""Our decoders to bf16 against ggml's C decoders to f32, type by type, in one run and on one thread.

    python benches/ggml_ratio.py [--library libggml-base.so] [TYPE...]

Without --library, the library of the installed package llama-cpp-python is measured (0.3.36 knows every type). Each
type is timed in ggml, then in the criterion benchmark `decode`, so that both meet the same machine; of each the
fastest sample counts, in 1e9 weights a second. Nothing in the tests needs this.
"""

import argparse
import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WEIGHTS = 16384  # as in decode.rs
# Ids of ggml.h, quantised types only; 4 is Ollama's MXFP4, which ggml does not know.
TYPES = {
    "Q4_0": 2, "Q4_1": 3, "Q5_0": 6, "Q5_1": 7, "Q8_0": 8, "Q2_K": 10, "Q3_K": 11, "Q4_K": 12,
    "Q5_K": 13, "Q6_K": 14, "IQ2_XXS": 16, "IQ2_XS": 17, "IQ3_XXS": 18, "IQ1_S": 19, "IQ4_NL": 20,
    "IQ3_S": 21, "IQ2_S": 22, "IQ4_XS": 23, "IQ1_M": 29, "TQ1_0": 34, "TQ2_0": 35, "MXFP4": 39,
    "NVFP4": 40, "Q1_0": 41, "Q2_0": 42,
}  # fmt: skip
# What issue 4 asks for: at least as fast as ggml, or three times as fast where ggml's loop is scalar.
ONCE = {"Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "TQ1_0", "TQ2_0", "Q1_0", "Q2_0"}

ToFloat = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)


class Traits(ctypes.Structure):
    """The head of ggml_type_traits."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("block_len", ctypes.c_int64),
        ("interleave", ctypes.c_int64),
        ("block_bytes", ctypes.c_size_t),
        ("is_quantized", ctypes.c_bool),
        ("to_float", ToFloat),
    ]


def installed_library():
    try:
        import llama_cpp
    except ImportError:
        sys.exit("llama-cpp-python is not installed: name a libggml-base with --library")
    return Path(llama_cpp.__file__).parent / "lib" / "libggml-base.so"


def random_bytes(length):
    """The bytes of `blocks` in decode.rs."""
    state, out = 1, bytearray()
    for _ in range(length):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append(state >> 56 & 0xBF)
    return bytes(out)


def fastest(call, seconds=0.5):
    """The shortest of repeated calls, in seconds."""
    best, until = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < until:
        start = time.perf_counter_ns()
        call()
        best = min(best, time.perf_counter_ns() - start)
    return best * 1e-9


def ggml_speed(library, type_id):
    """Weights a second of ggml's decoder, less what an empty call costs."""
    library.ggml_get_type_traits.restype = ctypes.POINTER(Traits)
    traits = library.ggml_get_type_traits(type_id).contents
    blocks = random_bytes(WEIGHTS // traits.block_len * traits.block_bytes)
    values = (ctypes.c_float * WEIGHTS)()
    empty = fastest(lambda: traits.to_float(blocks, values, 0), 0.1)
    return WEIGHTS / (fastest(lambda: traits.to_float(blocks, values, WEIGHTS)) - empty)


def bench_executable():
    """Builds the benchmark and says where it lies."""
    command = ["cargo", "bench", "--bench", "decode", "--no-run", "--message-format=json"]
    built = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    for line in built.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "decode":
            return message["executable"]
    sys.exit("cargo named no executable for the benchmark")


def our_speed(executable, name, type_id):
    """Weights a second of the fastest of criterion's samples."""
    with tempfile.TemporaryDirectory() as home:
        times = ["--warm-up-time", "0.3", "--measurement-time", "1", "--sample-size", "400", "--noplot"]
        command = [executable, "--bench", f"^decode/BF16/{type_id}-{name}$", *times]
        environment = dict(os.environ, CRITERION_HOME=home)
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
        [sample] = Path(home).glob("*/*/new/sample.json")
        sample = json.loads(sample.read_text())
    return WEIGHTS / min(t / n for t, n in zip(sample["times"], sample["iters"])) * 1e9


def main():
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--library", type=Path, help="a libggml-base")
    parser.add_argument("types", nargs="*", metavar="TYPE", help=f"of {', '.join(TYPES)}")
    arguments = parser.parse_args()
    if unknown := set(arguments.types) - set(TYPES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")

    library = ctypes.CDLL(arguments.library or installed_library())
    executable = bench_executable()
    print("| type | ggml to f32 | ours to bf16 | ratio | asked |\n|---|--:|--:|--:|--:|")
    for name in arguments.types or TYPES:
        ggml, ours = ggml_speed(library, TYPES[name]), our_speed(executable, name, TYPES[name])
        asked, ratio = 1.0 if name in ONCE else 3.0, ours / ggml
        verdict = f"{asked:.0f}x" if ratio >= asked else f"{asked:.0f}x, short"
        print(f"| {name} | {ggml / 1e9:.2f} | {ours / 1e9:.2f} | {ratio:.2f} | {verdict} |", flush=True)


if __name__ == "__main__":
    main()
