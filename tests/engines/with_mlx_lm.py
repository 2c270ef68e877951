"""mlx_lm.load on a folder."""
import importlib.util

import engine
import mlx.core as mx
import mlx_lm
from mlx_lm.generate import generate_step
from mlx_lm.utils import MODEL_REMAPPING
from transformers import AutoTokenizer, PreTrainedTokenizerFast  # noqa: F401: what mlx_lm.load would import


def load(folder):
    mx.set_default_device(mx.cpu)
    return mlx_lm.load(folder)


def use(_, loaded):
    model, tokenizer = loaded
    ids = tokenizer.encode(engine.TEXT)
    values = model(mx.array([ids]))[0, -1].astype(mx.float32)
    tokens = list(ids)
    steps = generate_step(mx.array(ids), model, max_tokens=engine.NEW_TOKENS)
    tokens += [int(token) for token, _ in steps]
    return {"tokens": tokens, "values": values.tolist()}


def knows(name, model_type):
    """It asks for a module of the model_type's name, and takes every class for one that makes text."""
    module = f"mlx_lm.models.{MODEL_REMAPPING.get(model_type, model_type)}"
    return engine.is_generator(name) and importlib.util.find_spec(module) is not None


engine.main("mlx-lm", "mlx-lm", load, use, knows=knows)
