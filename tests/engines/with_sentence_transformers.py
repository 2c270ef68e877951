"""SentenceTransformer on a folder: which modules follow the encoder is the folder's to say."""
import engine
from sentence_transformers import SentenceTransformer
from transformers.models.auto.modeling_auto import MODEL_MAPPING_NAMES


def load(folder):
    model = SentenceTransformer(folder, device="cpu")
    engine.touch(model.parameters())
    return model


def use(_, model):
    if model.tokenizer.pad_token is None:
        model.tokenizer.pad_token = model.tokenizer.eos_token
    values = model.encode([engine.TEXT, "A short one."], batch_size=1)
    return {"tokens": [], "values": values.astype(float).flatten().tolist()}


def knows(name, _):
    return any(name in ([names] if isinstance(names, str) else names) for names in MODEL_MAPPING_NAMES.values())


engine.main("sentence-transformers", "sentence-transformers", load, use, knows=knows)
