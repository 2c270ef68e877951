"""The engines: what each is, whether it is installed, and opening folders with it."""
import dataclasses, json, os, shutil, subprocess, sys

from .places import CACHE, HERE, KNOWN, LLAMA_CPP

FOLDER_SECONDS = 900  # more than engine.py gives


@dataclasses.dataclass
class Engine:
    """An entry of engines.json."""

    name: str
    # How its users open a folder, and what it cannot do: for README.
    opens: str
    cannot: str
    # The environment that its script runs in, under the cache; or the program, which takes one folder at a time.
    python: str | None = None
    script: str | None = None
    program: str | None = None
    # Whether no test runs it, but a person.
    by_hand: bool = False
    # Whether it wants config.json in the spelling of transformers 4, which the mount has and an original of 5 has not.
    classic: bool = False
    # Whether it opens every class alike.
    any: bool = False
    # Whether it can open nothing but the classes that its registry has.
    listed: bool = False
    # The classes that its script has, if not all.
    classes: list | None = None
    # Models that it cannot open as an ordinary folder either, {model: {says: a part of its error, why: the reason}}.
    excepted: dict = dataclasses.field(default_factory=dict)

    def command(self):
        if self.program:
            return [str(CACHE / self.program)]
        return [str(CACHE / self.python / "bin/python"), str(HERE / self.script)]

    def installed(self):
        there = [CACHE / self.program] if self.program else [CACHE / self.python / "bin/python", LLAMA_CPP]
        return all(path.exists() for path in there)

    def exception(self, model, error):
        """Why it cannot open a model, or any ("*"), as an ordinary folder, if that is known; another error is none that is known."""
        known = [self.excepted[name] for name in (model, "*") if name in self.excepted]
        return next((one["why"] for one in known if one["says"] in error), None)

    def unsupported(self, name):
        """Why it is not tried with a class; None if it is."""
        if self.classes is not None and name not in self.classes:
            return "its example has the class not"
        if self.listed and not known().get(name, {}).get(self.name):
            return "its registry has the class not"
        return None


def load_engines():
    entries = json.loads((HERE / "engines.json").read_text())
    return [Engine(**{"excepted" if key == "except" else key: value for key, value in entry.items()}) for entry in entries]


ENGINES = load_engines()


def known():
    """{class: {engine: "run" or "lists"}}, and under the empty class the engines' versions."""
    if not KNOWN.exists():
        return {"": {}}
    head, *rows = [line.split("\t") for line in KNOWN.read_text().splitlines()]
    heads = [cell.rpartition(" ") for cell in head[1:]]
    table = {row[0]: {name: cell for (name, _, _), cell in zip(heads, row[1:]) if cell} for row in rows}
    return table | {"": {name: version for name, _, version in heads}}


def without_network():
    offline = ["unshare", "--net", sys.executable, str(HERE / "runner/offline.py")]
    able = shutil.which("unshare") and subprocess.run([*offline, "true"], capture_output=True).returncode == 0
    return offline if able else []


def environment():
    quiet = {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    return os.environ | {"HF_HUB_OFFLINE": "1", "LLAMA_CPP": str(LLAMA_CPP)} | quiet


def open_with(engine, folders, *options, trace=None):
    """What the engine's script tells of each folder."""
    batches = [[folder] for folder in folders] if engine.program else [folders]
    return [report for batch in batches for report in run_script(engine.command(), batch, options, trace)]


def run_script(command, folders, options, trace=None):
    if not folders:
        return []
    strace = ["strace", "--follow-forks", "--trace=%file", "--output", trace] if trace else []
    command = [*without_network(), *strace, *command, *options, *map(str, folders)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=FOLDER_SECONDS * len(folders))
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if len(said) == len(folders):
        return said
    why = (done.stderr.strip().splitlines() or ["nothing said"])[-1]
    return [{"error": f"exit status {done.returncode}: {why}"} for _ in folders]
