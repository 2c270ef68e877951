"""llama.cpp's converter on a folder: the keys and tensors of the GGUF that it makes, with a digest a tensor."""
import hashlib, os, pathlib, runpy, sys, tempfile

import engine

LLAMA_CPP = pathlib.Path(os.environ["LLAMA_CPP"])
sys.path[:0] = [str(LLAMA_CPP), str(LLAMA_CPP / "gguf-py")]
import conversion.base as base, gguf  # noqa: E402: found in the path above

# Names that follow from the folder's own name and its model card.
NAMES = ("GGUF.", "general.")


def version():
    """The release of llama-cpp-python that the converter came with (tests/tools/install)."""
    return (LLAMA_CPP / ".built").read_text().strip()


def pre_tokenizer(known):
    """The converter's look-up; what it does not know, as the tokenizers of the smallest cases, has one name for all."""

    def look_up(self, tokenizer):
        try:
            return known(self, tokenizer)
        except NotImplementedError:
            return "default"

    return look_up


def load(folder):
    base.TextModel.get_vocab_base_pre = pre_tokenizer(base.TextModel.get_vocab_base_pre)
    directory = tempfile.TemporaryDirectory()
    out = pathlib.Path(directory.name) / "out.gguf"
    sys.argv = ["convert_hf_to_gguf.py", folder, "--outfile", str(out), "--outtype", "auto"]
    with open(2, "w", closefd=False) as sys.stdout:
        runpy.run_path(str(LLAMA_CPP / "convert_hf_to_gguf.py"), run_name="__main__")
    sys.stdout = sys.__stdout__
    return directory, gguf.GGUFReader(out)


def use(_, made):
    _, reader = made
    kept = {key: field for key, field in reader.fields.items() if not key.startswith(NAMES)}
    seen = [[key, hashlib.sha256(repr(field.contents()).encode()).hexdigest()] for key, field in kept.items()]
    for tensor in reader.tensors:
        shape = [int(n) for n in tensor.shape]
        seen.append([tensor.name, f"{tensor.tensor_type.name} {shape} {hashlib.sha256(tensor.data.tobytes()).hexdigest()}"])
    return {"tokens": sorted(seen), "values": []}


def knows(name, _):
    from conversion import TEXT_MODEL_MAP

    return name in TEXT_MODEL_MAP


engine.main("llama.cpp's converter", version, load, use, knows=knows)
