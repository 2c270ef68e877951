"""AutoModelForCausalLM (or AutoModel) and AutoTokenizer on a folder."""
import engine
import torch
import transformers
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoTokenizer


def kind(folder):
    return AutoModelForCausalLM if engine.generates(folder) else AutoModel


def prepare(folder):
    with torch.device("meta"):
        kind(folder).from_config(AutoConfig.from_pretrained(folder))


def load(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder) if engine.has_tokenizer(folder) else None
    model = kind(folder).from_pretrained(folder).eval()
    engine.touch(model.parameters())
    return model, tokenizer


@torch.no_grad()
def use(_, loaded):
    model, tokenizer = loaded
    ids = tokenizer(engine.TEXT).input_ids if tokenizer else engine.TOKENS
    input_ids = torch.tensor([ids])
    out = model(input_ids)
    if not model.can_generate():
        return {"tokens": ids, "values": out.last_hidden_state[0].float().flatten().tolist()}
    new = model.generate(
        input_ids,
        attention_mask=torch.ones_like(input_ids),
        do_sample=False,
        min_new_tokens=engine.NEW_TOKENS,
        max_new_tokens=engine.NEW_TOKENS,
    )
    said = tokenizer.decode(new[0, len(ids) :]) if tokenizer else None
    return {"tokens": new[0].tolist(), "values": out.logits[0, -1].float().tolist(), "said": said}


def knows(name, _):
    return name in dir(transformers)


if __name__ == "__main__":
    engine.main("transformers", "transformers", load, use, prepare, knows)
