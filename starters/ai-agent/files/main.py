import json

from http_json import serve
from model import ask
from tools import FUNCTIONS, TOOLS

MAX_STEPS = 8


def run(given):
    messages = [{"role": "user", "content": given["question"]}]
    for _ in range(MAX_STEPS):
        message = ask(messages, TOOLS)
        messages.append(message)
        calls = message.get("tool_calls") or []
        if not calls:
            return {"answer": message["content"], "steps": len(messages)}
        for call in calls:
            named = call["function"]
            result = FUNCTIONS[named["name"]](**json.loads(named["arguments"] or "{}"))
            messages.append(
                {"role": "tool", "tool_call_id": call["id"], "content": json.dumps(result)}
            )
    return {"answer": "The agent stopped after too many steps.", "steps": len(messages)}


serve({("GET", "/"): lambda _: {"agent": "ready", "tools": [*FUNCTIONS]}, ("POST", "/ask"): run})
