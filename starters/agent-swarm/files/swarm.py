"""Planner, workers and writer: each is a sentence that tells a model its role."""

from concurrent.futures import ThreadPoolExecutor

from model import ask

ROLES = {
    "planner": "Split the goal into at most four parts. Write one part a line and nothing else.",
    "worker": "Answer the part as well as you can, in a few sentences.",
    "writer": "Make one clear text of the answers.",
}
MAX_PARTS = 4


def play(role, text):
    system = {"role": "system", "content": ROLES[role]}
    return ask([system, {"role": "user", "content": text}])["content"]


def run(task):
    """Work on a task, and note in it how far it is."""
    parts = [line for line in play("planner", task["goal"]).splitlines() if line][:MAX_PARTS]
    task["parts"] = [{"part": part, "answer": None} for part in parts]
    with ThreadPoolExecutor(MAX_PARTS) as workers:
        for row, answer in zip(
            task["parts"], workers.map(lambda part: play("worker", part), parts), strict=True
        ):
            row["answer"] = answer
    task["result"] = play("writer", "\n\n".join(row["answer"] for row in task["parts"]))
