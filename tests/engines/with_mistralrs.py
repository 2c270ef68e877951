"""mistral.rs on a folder: a greedy answer, with the probabilities of what it might have said."""
import pathlib

import engine
from mistralrs import ChatCompletionRequest, CompletionRequest, Runner, Which


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


engine.main("mistral.rs", "mistralrs", lambda folder: Runner(which=Which.Plain(model_id=folder)), use)
