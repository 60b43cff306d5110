import threading

from http_json import serve
from swarm import ROLES, run

tasks = []


def begin(given):
    task = {"id": len(tasks) + 1, "goal": given["goal"], "parts": [], "result": None}
    tasks.append(task)
    threading.Thread(target=run, args=(task,), daemon=True).start()
    return {"id": task["id"]}


serve(
    {
        ("GET", "/"): lambda _: {"swarm": "ready", "roles": [*ROLES]},
        ("GET", "/tasks"): lambda _: tasks[-20:],
        ("POST", "/tasks"): begin,
    }
)
