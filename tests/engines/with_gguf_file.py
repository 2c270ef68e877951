"""transformers' own reading of a GGUF, `gguf_file=`, in bf16 as a mount of a quantised file is: what `run --gguf-file` compares with.

The folder holds one GGUF and nothing else.
"""
import pathlib

import engine
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import with_transformers


def load(folder):
    name = next(pathlib.Path(folder).glob("*.gguf")).name
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.bfloat16).eval()
    return model, tokenizer


engine.main("transformers gguf_file=", "transformers", load, with_transformers.use)
