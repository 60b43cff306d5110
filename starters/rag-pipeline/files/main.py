import os

from http_json import serve
from index import Index
from model import ask

index = Index()
index.add("About", "This pipeline answers from the texts that are sent to /documents.")


def add(given):
    index.add(given["title"], given["text"])
    return {"passages": len(index.passages)}


def answer(given):
    found = index.search(given["question"])
    sources = [{"title": p["title"], "text": p["text"]} for p in found]
    if not os.environ.get("MODEL_API_KEY"):
        return {"answer": found[0]["text"] if found else None, "sources": sources}
    texts = "\n\n".join(f"[{p['title']}] {p['text']}" for p in found)
    prompt = f"Answer from these texts alone, and name them.\n\n{texts}"
    messages = [
        {"role": "system", "content": prompt},
        {"role": "user", "content": given["question"]},
    ]
    return {"answer": ask(messages)["content"], "sources": sources}


serve(
    {
        ("GET", "/"): lambda _: {"pipeline": "ready", "passages": len(index.passages)},
        ("POST", "/documents"): add,
        ("POST", "/ask"): answer,
    }
)
