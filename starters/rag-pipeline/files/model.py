"""Asks a language model over the API that most providers share."""

import json
import os
import urllib.request

URL = os.environ.get("MODEL_URL", "https://api.openai.com/v1/chat/completions")
MODEL = os.environ.get("MODEL_NAME", "gpt-4o-mini")


def ask(messages, tools=()):
    """The model's next message; without MODEL_API_KEY a message that says what to set."""
    key = os.environ.get("MODEL_API_KEY")
    if not key:
        return {"role": "assistant", "content": "Set MODEL_API_KEY to let a model answer."}
    body = {"model": MODEL, "messages": messages, **({"tools": list(tools)} if tools else {})}
    request = urllib.request.Request(
        URL,
        json.dumps(body).encode(),
        {"authorization": f"Bearer {key}", "content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["choices"][0]["message"]
