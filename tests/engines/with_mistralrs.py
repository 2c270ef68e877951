"""mistral.rs on a folder: a greedy answer, with the probabilities of what it might have said."""
import json, pathlib, tempfile

import engine
from mistralrs import ChatCompletionRequest, CompletionRequest, Runner, Which


def load(folder):
    return Runner(which=Which.Plain(model_id=folder))


def use(folder, runner):
    if not (pathlib.Path(folder) / "chat_template.jinja").exists():
        request = CompletionRequest(model="default", prompt=engine.TEXT, max_tokens=engine.NEW_TOKENS, temperature=0.0, top_k=1)
        return {"tokens": [runner.send_completion_request(request).choices[0].text], "values": []}
    request = ChatCompletionRequest(
        model="default",
        messages=[{"role": "user", "content": engine.TEXT}],
        max_tokens=engine.NEW_TOKENS,
        temperature=0.0,
        top_k=1,
        logprobs=True,
        top_logprobs=5,
    )
    choice = runner.send_chat_completion_request(request).choices[0]
    said = choice.logprobs.content
    values = [top.logprob for one in said for top in one.top_logprobs]
    return {"tokens": [one.token for one in said] + [choice.message.content], "values": values}


def knows(name, model_type):
    """Its registry cannot be read, but it names a class that it lacks before it looks at anything else."""
    with tempfile.TemporaryDirectory() as folder:
        config = {"architectures": [name], "model_type": model_type}
        (pathlib.Path(folder) / "config.json").write_text(json.dumps(config))
        for file in ("tokenizer.json", "tokenizer_config.json"):
            (pathlib.Path(folder) / file).write_text("{}")
        (pathlib.Path(folder) / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
        try:
            load(folder)
        except Exception as error:
            return "Unsupported Hugging Face" not in str(error)
        return True


engine.main("mistral.rs", "mistralrs", load, use, knows=knows)
