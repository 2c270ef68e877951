"""Renders conversations with the chat templates of folders, as transformers does.

Reads JSON from standard input: {"folders": [...], "conversations": [[{"role", "content"}, ...], ...]}; writes, for each
folder, a list with the text of each conversation, or null where the template refuses it, and the text of its BOS token.
A last turn of the assistant is left open, to be continued.
"""

import json
import sys

from jinja2.exceptions import TemplateError
from transformers import AutoTokenizer


def render(tokenizer, conversation):
    options = {"add_generation_prompt": True}
    if conversation[-1]["role"] == "assistant":
        options = {"continue_final_message": True}
    try:
        return tokenizer.apply_chat_template(conversation, tokenize=False, **options)
    except TemplateError:
        return None


asked = json.load(sys.stdin)
answers = []
for folder in asked["folders"]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    answers.append([tokenizer.bos_token or "", [render(tokenizer, c) for c in asked["conversations"]]])
json.dump(answers, sys.stdout)
