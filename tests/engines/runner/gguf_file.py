"""transformers on a mount, against transformers' own reading of the GGUF (`gguf_file=`): the same completion."""
from .compare import difference
from .engines import ENGINES, run_script
from .places import CACHE, HERE

TEXT = "The capital of France is"
PYTHON = CACHE / "engines/gguf-file/bin/python"


def beside(rawrz, model, work):
    """A row of the comparison, with what both said."""
    name = model.label()
    transformers = next(engine for engine in ENGINES if engine.name == "transformers")
    with rawrz.mounted(model, work / f"{name}.mount") as mount:
        [ours] = run_script(transformers.command(), [mount], ["--text", TEXT])
    folder = work / f"{name}.gguf-file"
    folder.mkdir()
    (folder / model.gguf.name).symlink_to(model.gguf)
    [theirs] = run_script([str(PYTHON), str(HERE / "with_gguf_file.py")], [folder], ["--text", TEXT])
    row = {"engine": "transformers", "model": name, "control": "gguf_file=", "shown": True}
    if errors := [report["error"] for report in (ours, theirs) if "error" in report]:
        return row | {"same": False, "why": errors[0]}
    why = difference(ours, theirs)
    fields = {field: [ours[field], theirs[field]] for field in ("load_seconds", "peak_rss")}
    return row | fields | {"version": ours["version"], "same": why is None, "why": why, "said": ours["output"]["said"]}
