"""A list of things to do in Postgres: GET lists them, POST adds the body, DELETE /1 removes one."""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg


def connect() -> psycopg.Connection:
    return psycopg.connect(os.environ["DATABASE_URL"])


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        with connect() as db:
            rows = db.execute("select id, text from todo order by id").fetchall()
        lines = [f"{number}: {text}" for number, text in rows]
        self.answer("\n".join(["Things to do, kept in Postgres:", *lines]))

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["content-length"])).decode()
        with connect() as db:
            db.execute("insert into todo (text) values (%s)", [text])
        self.do_GET()

    def do_DELETE(self) -> None:
        with connect() as db:
            db.execute("delete from todo where id = %s", [int(self.path.strip("/"))])
        self.do_GET()

    def answer(self, text: str) -> None:
        body = f"{text}\n".encode()
        self.send_response(200)
        self.send_header("content-type", "text/plain; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("", int(os.environ["PORT"])), Page).serve_forever()
