from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

app = FastAPI(title="Notes")
notes: dict[int, str] = {}


class Note(BaseModel):
    text: str = Field(min_length=1, max_length=1000)


@app.get("/")
def welcome():
    return {"api": "ready", "docs": "/docs"}


@app.get("/health")
def health():
    return {"status": "ok"}


@app.get("/notes")
def list_notes():
    return [{"id": number, "text": text} for number, text in notes.items()]


@app.post("/notes", status_code=201)
def add_note(note: Note):
    number = len(notes) + 1
    notes[number] = note.text
    return {"id": number}


@app.get("/notes/{number}")
def read_note(number: int):
    if number not in notes:
        raise HTTPException(404, "no such note")
    return {"id": number, "text": notes[number]}
