"""safe_open on every weights file, through numpy and torch, whole tensors and slices: a digest a tensor."""
import hashlib, pathlib

import engine
import torch
from safetensors import safe_open
from safetensors.torch import load_file


def load(folder):
    tensors = {}
    for file in sorted(pathlib.Path(folder).glob("*.safetensors")):
        tensors |= load_file(file)
    engine.touch(tensors.values())
    return tensors


def raw(tensor):
    return tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes()


def use(folder, tensors):
    seen = {}
    for file in sorted(pathlib.Path(folder).glob("*.safetensors")):
        with safe_open(file, framework="pt") as opened:
            for name in opened.keys():
                whole, cut = opened.get_tensor(name), opened.get_slice(name)
                assert raw(whole) == raw(tensors[name]), name
                middle = whole.shape[0] // 2
                assert raw(cut[middle:]) == raw(whole[middle:]), name
                if whole.dim() > 1:
                    assert raw(cut[:, 1:]) == raw(whole[:, 1:]), name
                seen[name] = f"{whole.dtype} {list(whole.shape)} {hashlib.sha256(raw(whole)).hexdigest()}"
        if torch.bfloat16 not in {t.dtype for t in tensors.values()}:  # which numpy does not have
            with safe_open(file, framework="np") as opened:
                for name in opened.keys():
                    assert opened.get_tensor(name).tobytes() == raw(tensors[name]), name
    return {"tokens": sorted(seen.items()), "values": []}


engine.main("safetensors", "safetensors", load, use)
