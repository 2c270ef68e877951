"""Each engine on each mount, against the same engine on an ordinary folder."""
import contextlib, re

from .engines import open_with
from .models import show
from .tables import megabytes, table

TOLERANCE = 1e-6
CELL_LEN = 90  # the JSON has the whole of it
# Tensors of an original that llama.cpp's converter leaves out, by the start of their names.
LOST = {"BertModel": "pooler."}


def difference(a, b, lost=None):
    """What differs between two outputs; None if nothing does. `b` may have tensors that the GGUF has lost."""
    a, b = a["output"], b["output"]
    if lost:
        b = b | {"tokens": [token for token in b["tokens"] if not (isinstance(token, list) and token[0].startswith(lost))]}
    if a["tokens"] != b["tokens"]:
        return f"tokens {a['tokens']} against {b['tokens']}"
    if len(a["values"]) != len(b["values"]):
        return f"{len(a['values'])} values against {len(b['values'])}"
    worst = max((abs(x - y) for x, y in zip(a["values"], b["values"])), default=0.0)
    return None if worst <= TOLERANCE else f"values differ by up to {worst}"


def compare(rawrz, engines, models, work, lookups):
    """One row a model and engine."""
    rows = []
    with contextlib.ExitStack() as stack:
        mounted = []
        for model in models:
            if shown := show(rawrz, model, work, stack):
                mounted.append(shown)
            else:
                rows.append({"engine": None, "model": model.label(), "shown": False})
        for engine in engines:
            rows += compare_with(engine, mounted, work, lookups)
    return rows


def compare_with(engine, mounted, work, lookups):
    why_not = {shown.name: engine.unsupported(shown.model_class) for shown in mounted}
    tried = [shown for shown in mounted if not why_not[shown.name]]
    controls = [shown.classic if engine.classic else shown.control for shown in tried]
    reports = open_with(engine, [*controls, *[shown.mount for shown in tried]])
    row = lambda shown: {"engine": engine.name, "model": shown.name, "class": shown.model_class, "shown": True}
    rows = [row(shown) | {"unsupported": why_not[shown.name]} for shown in mounted if why_not[shown.name]]
    for shown, theirs, ours in zip(tried, reports, reports[len(tried) :]):
        spelled = "original, classic config" if engine.classic else "original"
        rows.append(row(shown) | {"control": "export" if shown.exported else spelled} | outcome(engine, shown, theirs, ours))
        if lookups:
            rows[-1]["asked_in_vain"] = asked_in_vain(engine, shown.mount, work)
    return rows


def outcome(engine, shown, theirs, ours):
    """The fields of a row that tell how an engine fared on the ordinary folder and on the mount."""
    if "error" in theirs:
        excepted = engine.exception(shown.name, theirs["error"])
        why = f"it fails on that folder: {excepted or theirs['error']}"
        return {"same": None, "excepted": excepted, "why": why, "error": theirs["error"]}
    why = ours.get("error") or difference(ours, theirs, LOST.get(shown.model_class))
    told = {"version": theirs["version"], "same": why is None, "why": why}
    if "error" not in ours:
        told |= {field: [ours[field], theirs[field]] for field in ("load_seconds", "peak_rss")}
    return told


def asked_in_vain(engine, mount, work):
    """Names in the mount that the engine asked for and that are not there."""
    trace = work / "trace"
    open_with(engine, [mount], trace=str(trace))
    missing = re.compile(re.escape(f'"{mount}/') + r'([^"]*)".*ENOENT')
    return sorted({found[1] for line in trace.read_text().splitlines() if (found := missing.search(line))})


def print_rows(rows):
    cells = []
    for row in rows:
        if not row["shown"]:
            cells.append(["-", "", row["model"], "", "rawrz-mount does not show it yet", "", ""])
        elif "unsupported" in row:
            cells.append([row["engine"], "", row["model"], "", f"none: {row['unsupported']}", "", ""])
        else:
            same = "yes" if row["same"] else f"{'-' if row['same'] is None else 'NO'}: {row['why']}"
            load = " / ".join(f"{s:.2f} s" for s in row.get("load_seconds", []))
            peak = " / ".join(megabytes(size) for size in row.get("peak_rss", []))
            cells.append([row["engine"], row.get("version", ""), row["model"], row["control"], same, load, peak])
    cells = [[cell if len(cell) <= CELL_LEN else f"{cell[:CELL_LEN]}..." for cell in row] for row in cells]
    table(["engine", "version", "model", "compared with", "same output", "load: mount / folder", "peak memory"], cells)
    vain = {}
    for row in rows:
        vain.setdefault(row["engine"], set()).update(row.get("asked_in_vain", []))
    for engine, names in vain.items():
        if names:
            print(f"{engine} asked for, and did without: {', '.join(sorted(names))}")


def failed(row):
    """Whether a mount is not as good as the ordinary folder."""
    return row.get("same") is False
