"""SentenceTransformer on a folder: which modules follow the encoder is the folder's to say."""
import engine
from sentence_transformers import SentenceTransformer


def load(folder):
    model = SentenceTransformer(folder, device="cpu")
    engine.touch(model.parameters())
    return model


def use(_, model):
    if model.tokenizer.pad_token is None:
        model.tokenizer.pad_token = model.tokenizer.eos_token
    values = model.encode([engine.TEXT, "A short one."], batch_size=1)
    return {"tokens": [], "values": values.astype(float).flatten().tolist()}


engine.main("sentence-transformers", "sentence-transformers", load, use)
