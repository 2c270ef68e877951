#!/usr/bin/env python3
"""Convert folders with the options of llama.cpp's converter that write several tensors as one.

    convert_fused.py FOLDER LIKE.gguf OUT.gguf [FOLDER LIKE.gguf OUT.gguf ...]

Each folder is converted as reconvert.py does (LLAMA_CPP names the converter, LIKE.gguf what the folder was made of), with
--fuse-qkv, and with --fuse-gate-up-exps where the architecture has the tensor for it. One line a folder: OUT, ok or what failed.
"""
import argparse, contextlib, io, multiprocessing, os, pathlib, runpy, sys, traceback

RECONVERT = pathlib.Path(__file__).resolve().parent.parent / "fixtures/conformance/reconvert.py"
parse_args = argparse.ArgumentParser.parse_args


def reconvert(folder, like, out, *options):
    """Returns what the converter said if it failed."""

    def with_options(parser, *args, **kwargs):
        parsed = parse_args(parser, *args, **kwargs)
        vars(parsed).update(dict.fromkeys(options, True))
        return parsed

    argparse.ArgumentParser.parse_args = with_options
    sys.argv = [str(RECONVERT), folder, out, like]
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            runpy.run_path(str(RECONVERT), run_name="__main__")
    except SystemExit as e:
        return f"status {e.code}" if e.code else ""
    except Exception as e:
        return " ".join(traceback.format_exception_only(e)[-1].split())
    return ""


def options(like):
    """What the architecture has tensors for: without one the converter fails, or loses the experts' up projections."""
    import gguf

    name = gguf.GGUFReader(like).fields["general.architecture"].contents()
    tensors = next(gguf.MODEL_TENSORS[arch] for arch, called in gguf.MODEL_ARCH_NAMES.items() if called == name)
    return ["fuse_qkv"] + ["fuse_gate_up_exps"] * (gguf.MODEL_TENSOR.FFN_GATE_UP_EXP in tensors)


def convert(paths):
    said = reconvert(*paths, *options(paths[1]))
    if said:
        # As check_folder.py's roundtrip does: transformers renames fields of some configs before the converter sees them.
        os.environ["RAW_CONFIG"] = "1"
        said = reconvert(*paths, *options(paths[1]))
    return paths[2], said


def main():
    sys.path.insert(0, os.environ["LLAMA_CPP"] + "/gguf-py")
    import gguf, torch, transformers  # noqa: F401  imported once, before the forks

    torch.set_num_threads(1)
    failed = False
    # A process a folder: the converter patches what it imports.
    with multiprocessing.get_context("fork").Pool(os.cpu_count(), maxtasksperchild=1) as pool:
        for out, said in pool.imap(convert, zip(*[iter(sys.argv[1:])] * 3), chunksize=1):
            failed |= bool(said)
            print(out, said or "ok", flush=True)
    return failed


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    sys.exit(main())
