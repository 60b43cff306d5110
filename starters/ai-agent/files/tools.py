"""What the agent can do: plain functions, described for the model."""

import datetime


def now():
    """The present moment, in UTC."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def calculate(left, operator, right):
    """Add, subtract, multiply or divide two numbers."""
    return {
        "+": lambda: left + right,
        "-": lambda: left - right,
        "*": lambda: left * right,
        "/": lambda: left / right,
    }[operator]()


FUNCTIONS = {"now": now, "calculate": calculate}
NUMBER = {"type": "number"}
PARAMETERS = {
    "now": {},
    "calculate": {"left": NUMBER, "operator": {"enum": ["+", "-", "*", "/"]}, "right": NUMBER},
}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": function.__doc__,
            "parameters": {"type": "object", "properties": PARAMETERS[name]},
        },
    }
    for name, function in FUNCTIONS.items()
]
