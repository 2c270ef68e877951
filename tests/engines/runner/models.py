"""The models, and showing them: by mounts, and as the ordinary folders that mounts are compared with."""
import contextlib, copy, dataclasses, json, os, pathlib, re, subprocess

from .places import CACHE, FIXTURES, SHARED

# Where shared/ is, beside the cases of the repository: one a class that several engines have.
CORPUS = ["Qwen3ForCausalLM", "Gemma3ForCausalLM", "BertModel", "GPT2LMHeadModel"]
# A model as strangers made it (tests/engines/install gemma3-270m).
REAL = CACHE / "engines/gemma3-270m/gemma-3-270m-q4_k_m.gguf"


class Failed(Exception):
    pass


@dataclasses.dataclass
class Model:
    gguf: pathlib.Path
    original: pathlib.Path | None
    precision: str = "auto"

    @classmethod
    def parse(cls, text):
        found = re.fullmatch(r"([^=]+?)(?:@(bf16|fp16|fp32))?(?:=(.+))?", text)
        if not found:
            raise ValueError(text)
        gguf, precision, original = found.groups()
        return cls(pathlib.Path(gguf).resolve(), original and pathlib.Path(original).resolve(), precision or "auto")

    def label(self):
        name = self.gguf.parent.name if self.gguf.stem == "model-bf16" else self.gguf.stem
        return name if self.precision == "auto" else f"{name} {self.precision}"

    def view(self):
        return ["--precision", self.precision]


def of_tests():
    """What the tests take: the cases that the repository holds, more where shared/ is, and a real model if it is installed.

    A machine without shared/ has no class that one with it lacks, so the table of classes, written on the one, is right on both.
    """
    models = [committed(folder) for folder in sorted((FIXTURES / "corpus").iterdir())]
    # What mlx's mixture of experts needs on a CPU.
    models.append(Model(FIXTURES / "corpus/MixtralForCausalLM/model-bf16.gguf", None, "fp32"))
    models.append(Model(FIXTURES / "quant/llama-q4_k_m.gguf", None))
    if (SHARED / "corpus").is_dir():
        models += [case(SHARED / "quant/base"), *[case(SHARED / "corpus" / name) for name in CORPUS]]
    return models + [Model(REAL, None)] * REAL.exists()


def committed(folder):
    """A case of the repository, whose original's weights only shared/ has: without them it is compared with its export."""
    original = SHARED / "corpus" / folder.name / "hf"
    return Model(folder / "model-bf16.gguf", original if has_weights(original) else None)


def of_corpus():
    """Every case that has its original's weights."""
    return [case(folder) for folder in sorted((SHARED / "corpus").iterdir()) if has_weights(folder / "hf")]


def has_weights(folder):
    return any(folder.glob("*.safetensors"))


def case(folder):
    return Model(folder / "model-bf16.gguf", folder / "hf")


class Rawrz:
    """The command, with a runtime directory of its own: no other mount of this user is touched."""

    def __init__(self, binary, work, backend=None):
        self.binary = binary
        self.backend = ["--backend", backend] if backend else []
        (work / "runtime").mkdir()
        (work / "state").mkdir()
        self.environment = os.environ | {"XDG_RUNTIME_DIR": str(work / "runtime"), "XDG_STATE_HOME": str(work / "state")}

    def __call__(self, *arguments):
        command = [self.binary, *map(str, arguments)]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        if done.returncode:
            raise Failed(" ".join(done.stderr.split()))
        return done.stdout

    @contextlib.contextmanager
    def mounted(self, model, directory):
        directory.mkdir(exist_ok=True)
        self(*model.view(), *self.backend, model.gguf, directory)
        try:
            yield directory
        finally:
            self("unmount", directory)


def classic(original, folder):
    """The original folder with config.json as transformers 4 wrote it."""
    folder.mkdir()
    for file in original.iterdir():
        if file.name != "config.json":
            (folder / file.name).symlink_to(file)
    config = json.loads((original / "config.json").read_text())
    # Kept as well: classes that are as young as transformers 5 have no classic spelling.
    rope = copy.deepcopy(config.get("rope_parameters")) or {}
    if "full_attention" in rope:
        config["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
        rope = rope["full_attention"]
    for field in ("rope_theta", "partial_rotary_factor"):
        if field in rope:
            config[field] = rope.pop(field)
    config["rope_scaling"] = None if rope.get("rope_type", "default") == "default" else rope
    if config["model_type"] == "deepseek_v3":
        config["topk_method"] = "noaux_tc"  # of transformers 5 there is no other
    if config["model_type"] == "qwen3_moe":
        config.setdefault("num_experts", config.get("num_local_experts"))
        config.setdefault("max_window_layers", 28)  # its default, which 4.51 wrote; no layer has a window all the same
    if "_sliding_window_pattern" in config:
        config["sliding_window_pattern"] = config["_sliding_window_pattern"]
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@dataclasses.dataclass
class Shown:
    """A mounted model."""

    name: str
    model_class: str
    mount: pathlib.Path
    # The folder to compare with, and the same for engines that want the classic config.
    control: pathlib.Path
    classic: pathlib.Path
    exported: bool


def show(rawrz, model, work, stack):
    """Mounts a model until the stack ends; None if it cannot be shown."""
    name = model.label()
    inspected = subprocess.run([rawrz.binary, "inspect", "--json", model.gguf], capture_output=True, text=True)
    if not (shown := json.loads(inspected.stdout)["shown"]):
        return None
    control = spelled = model.original
    if control:
        spelled = classic(control, work / f"{name}.classic")
    else:
        control = spelled = work / f"{name}.export"
        rawrz("export", *model.view(), model.gguf, control)
    mount = stack.enter_context(rawrz.mounted(model, work / f"{name}.mount"))
    return Shown(name, shown["class"], mount, control, spelled, not model.original)
