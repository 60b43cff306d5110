"""Serves a folder of pages: `static_server.py ROOT [--spa]` listens on PORT."""

# mypy: disable-error-code="explicit-override"
# typing.override is newer than Python 3.11, and this program has the standard library only.

import os
import sys
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

NOT_FOUND = "404.html"
INDEX = "index.html"


class Pages(SimpleHTTPRequestHandler):
    """Files of one folder and nothing outside of it; lists no folder."""

    protocol_version = "HTTP/1.1"
    spa = False

    def translate_path(self, path: str) -> str:
        """The file of a path; one that leads out of the folder is a file that is not there."""
        found = os.path.realpath(super().translate_path(path))
        root = os.path.realpath(self.directory)
        if found != root and not found.startswith(root + os.sep):
            return os.path.join(root, "\0")
        if self.spa and not os.path.exists(found) and "." not in os.path.basename(found):
            return os.path.join(root, INDEX)
        return found

    def list_directory(self, path: str | os.PathLike[str]) -> None:
        """A folder without an index page is not there."""
        del path
        self.send_error(HTTPStatus.NOT_FOUND)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer with the site's own page for what is not there, if it has one."""
        page = os.path.join(self.directory, NOT_FOUND)
        if code != HTTPStatus.NOT_FOUND or not os.path.isfile(page):
            super().send_error(code, message, explain)
            return
        with open(page, "rb") as file:
            body = file.read()
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *values: object) -> None:  # noqa: A002 - the base's name
        """One line a request, on standard output."""
        del format
        sys.stdout.write(f"{self.command} {self.path} {values[1] if len(values) > 1 else ''}\n")
        sys.stdout.flush()


class Server(ThreadingHTTPServer):
    """One thread a connection; a short burst of them waits instead of being refused."""

    daemon_threads = True
    request_queue_size = 128


def main(arguments: list[str]) -> None:
    """Serve until the process ends."""
    Pages.spa = "--spa" in arguments
    address = ("127.0.0.1", int(os.environ["PORT"]))
    Server(address, partial(Pages, directory=arguments[0])).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
