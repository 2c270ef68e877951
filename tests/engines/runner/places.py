"""Where things are."""
import os, pathlib

HERE = pathlib.Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent
FIXTURES = ROOT / "tests/fixtures"
SHARED = pathlib.Path(os.environ.get("RAWRZ_SHARED", ROOT.parent / "shared"))
CACHE = pathlib.Path(os.environ.get("RAWRZ_CACHE", pathlib.Path.home() / ".cache/rawrz"))
LLAMA_CPP = pathlib.Path(os.environ.get("LLAMA_CPP", CACHE / "llama.cpp"))
# Which engine knows which class: what `known` writes and the library reads.
KNOWN = ROOT / "src/arch/engines.tsv"
