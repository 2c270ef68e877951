"""How long loading takes, and how much memory, from a mount and from the folder on disk."""
import os, random, shutil

from .engines import open_with
from .tables import megabytes, table

AGAIN = 10  # loads after the first


def forget(*paths):
    """Drops the system's memory of files, which must be synced and not mapped."""
    for path in paths:
        for file in [path] if path.is_file() else path.rglob("*"):
            if file.is_file():
                with open(file, "rb") as opened:
                    os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measure(rawrz, engines, model, work):
    """One row an engine: loading the export, first and again, and the mount, first and again."""
    name, rows = model.label(), []
    exported = work / f"{name}.export"
    rawrz("export", *model.view(), model.gguf, exported)
    for engine in engines:
        row = {"engine": engine.name, "model": name}
        rows.append(row)
        forget(model.gguf, exported)
        with rawrz.mounted(model, work / f"{name}.mount") as mount:
            # In pairs of random order: what else the machine does, and the memory that a load leaves to the next, meet both.
            pairs = random.Random(1)
            turns = [folder for _ in range(AGAIN + 1) for folder in pairs.sample([exported, mount], 2)]
            reports = open_with(engine, turns, "--load")
        control, ours = ([report for turn, report in zip(turns, reports) if turn == of] for of in (exported, mount))
        if errors := [report["error"] for report in control + ours if "error" in report]:
            row["why"] = errors[0]
            continue
        row["version"] = ours[0]["version"]
        for field in ("load_seconds", "peak_rss"):
            # The first, and the best of the later ones: what else the machine does only adds.
            of = lambda loads: [loads[0][field], min(load[field] for load in loads[1:])]
            row[field] = {"mount": of(ours), "export": of(control)}
    shutil.rmtree(exported)
    return rows


def print_rows(rows):
    cells = []
    for row in rows:
        if "why" in row:
            cells.append([row["engine"], "", row["model"], f"FAILED: {row['why']}", "", ""])
            continue
        (first, again), (first_export, again_export) = row["load_seconds"]["mount"], row["load_seconds"]["export"]
        peak, peak_export = row["peak_rss"]["mount"][1], row["peak_rss"]["export"][1]
        cells.append([
            row["engine"], row["version"], row["model"],
            f"{first:.2f} / {first_export:.2f} s = {first / first_export:.2f}",
            f"{again:.2f} / {again_export:.2f} s = {again / again_export:.2f}",
            f"{megabytes(peak)} / {megabytes(peak_export)} = {peak / peak_export:.2f}",
        ])
    table(["engine", "version", "model", "first load: mount / export", "later loads", "their peak memory"], cells)


def failed(row):
    """Whether an engine could not load one of the folders."""
    return "why" in row
