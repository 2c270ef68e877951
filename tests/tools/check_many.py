#!/usr/bin/env python3
"""Check many model folders against the original folders, in one process that imports torch and transformers once.

    check_many.py [--parts tensors,config,...] [--jobs 2] [--checks CHECK_FOLDER.PY] FOLDER CASE [FOLDER CASE ...]

FOLDER, CASE and the parts are check_folder.py's, whose functions do the checking. A case whose file `parts` names its parts is checked in those. One line a part, `CASE PART ok|skip|FAIL note`,
where CASE is the directory's name; exit status 1 if any part fails. The order of the lines is that in which the cases finish.

Each case runs in a forked child, so no case sees what another left behind, and a hang or crash costs that case alone.
All 91 cases of the corpus take 151 s on two cores; check_folder.py takes 8 to 11 s for each, nearly all of it imports.
"""
import argparse, contextlib, importlib.util, io, os, pathlib, runpy, signal, subprocess, sys, traceback

HERE = pathlib.Path(__file__).resolve().parent
DEFAULT_CHECKS = HERE.parent / "fixtures/conformance/check_folder.py"
PARTS = "tensors,config,tokenizer,output,roundtrip"
# The slowest case of the corpus takes 10 s; a read that hangs must not hang the run.
CASE_SECONDS = 180
# Classes of published configs, and what transformers calls the same.
ALIASES = {"BailingMoeV3ForCausalLM": "BailingHybridForCausalLM"}


def load_checks(path):
    spec = importlib.util.spec_from_file_location("check_folder", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def preload(parts):
    """Import before the forks what every case needs. A package that is missing is left for the part to report."""
    if "tokenizer" in parts:
        with contextlib.suppress(ImportError):
            import tokenizers  # noqa: F401
    if "output" in parts or "roundtrip" in parts:
        with contextlib.suppress(ImportError):
            import safetensors.torch, torch, transformers  # noqa: F401

            transformers.logging.set_verbosity_error()
            transformers.logging.disable_progress_bar()
            from transformers import AutoConfig, AutoModel, AutoTokenizer  # noqa: F401

            aliases = {published: getattr(transformers, own) for published, own in ALIASES.items()}
            vars(sys.modules["transformers"]).update(aliases)  # a module that the first class replaces when it is loaded
    if "roundtrip" in parts and (root := os.environ.get("LLAMA_CPP")):
        sys.path[:0] = [root, root + "/gguf-py"]
        with contextlib.suppress(ImportError):
            import conversion, gguf  # noqa: F401


def run_script(command, env, **_):
    """subprocess.run for reconvert.py, in a fork of this process instead of a new one that imports everything again."""
    assert command[0] == sys.executable, command
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        signal.alarm(CASE_SECONDS)  # a fork does not inherit the case's own
        os.dup2(write, 1)
        os.dup2(write, 2)
        sys.stdout = sys.stderr = open(2, "w", encoding="utf8", buffering=1)
        os.environ.update(env)
        sys.argv = command[1:]
        status = 1
        try:
            runpy.run_path(command[1], run_name="__main__")
            status = 0
        except SystemExit as e:
            status = e.code if isinstance(e.code, int) else int(e.code is not None)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    os.close(write)
    with open(read, encoding="utf8", errors="replace") as pipe:
        output = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return subprocess.CompletedProcess(command, status, stdout="", stderr=output)


def check_case(checks, folder, case, parts):
    """The lines of one case. Whatever the loaders print themselves is dropped."""
    for part in parts:
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                bad, note = getattr(checks, "check_" + part)(folder, case)
        except Exception as e:
            bad, note = [f"{type(e).__name__}: {e}"], ""
        if bad:
            note = f"{len(bad)} differences; " + "; ".join(bad[:4])
        verdict = "skip" if bad is None else "FAIL" if bad else "ok"
        yield verdict, " ".join(f"{pathlib.Path(case).name} {part} {verdict} {note}".split())[:1000]


def parts_of(case, default):
    """The parts that a case says it has, or the default."""
    declared = pathlib.Path(case, "parts")
    return declared.read_text().strip().split(",") if declared.exists() else default


def start(checks, folder, case, parts):
    """Fork a child that checks one case; returns its pid and the pipe that its lines come through."""
    read, write = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        os.close(write)
        return pid, open(read, encoding="utf8")
    signal.alarm(CASE_SECONDS)
    subprocess.run = run_script
    failed = False
    with open(write, "w", encoding="utf8") as out:
        for verdict, line in check_case(checks, folder, case, parts):
            failed |= verdict == "FAIL"
            print(line, file=out, flush=True)
    os._exit(1 if failed else 0)


def finish(running):
    """Wait for any child, print what it said; true if the case passed."""
    pid, status = os.wait()
    case, pipe = running.pop(pid)
    with pipe:
        sys.stdout.write(pipe.read())
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, 1):
        why = "took too long" if code == -signal.SIGALRM else f"died with status {code}"
        print(f"{pathlib.Path(case).name} case FAIL the check {why}")
    sys.stdout.flush()
    return code == 0


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--parts", default=PARTS)
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("--checks", default=DEFAULT_CHECKS)
    p.add_argument("pairs", nargs="+", metavar="FOLDER CASE")
    a = p.parse_args()
    if len(a.pairs) % 2:
        p.error("folders and cases come in pairs")
    parts = a.parts.split(",")
    if unknown := set(parts) - set(PARTS.split(",")):
        p.error(f"unknown parts: {', '.join(sorted(unknown))}")

    checks = load_checks(a.checks)
    preload(parts)
    running, passed = {}, True
    for folder, case in zip(a.pairs[::2], a.pairs[1::2]):
        if len(running) >= a.jobs:
            passed &= finish(running)
        pid, pipe = start(checks, folder, case, parts_of(case, parts))
        running[pid] = case, pipe
    while running:
        passed &= finish(running)
    return 0 if passed else 1


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    sys.exit(main())
