"""Serves a folder of pages: `static_server.py ROOT [--spa]` listens on PORT.

As static hosts do: `/about` is `about.html`, `404.html` is the page of what is not there,
`_redirects` is read as https://docs.netlify.com/routing/redirects/ says, text is compressed,
pages are asked for again by their ETag, and files whose name holds a hash are kept.
"""

# mypy: disable-error-code="explicit-override"
# typing.override is newer than Python 3.11, and this program has the standard library only.

import gzip
import os
import re
import sys
from functools import lru_cache, partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from shutil import copyfileobj
from typing import BinaryIO, NamedTuple

NOT_FOUND = "404.html"
INDEX = "index.html"
REDIRECTS = "_redirects"

REDIRECT_STATUSES = (301, 302, 303, 307, 308)
REWRITE_STATUSES = (200, 404)

COMPRESSIBLE = re.compile(
    r"text/|application/(javascript|json|xml|wasm|manifest\+json)|image/svg\+xml"
)
COMPRESSED_SIZES = range(1024, 8 * 1024 * 1024)
REFUSED = re.compile(r"q=0(?:\.0*)?")

# Where build tools put files whose names change with their content.
HASHED = re.compile(
    r"^/(?:_astro|_next/static|_nuxt|_app/immutable)/"
    r"|\.[0-9a-f]{8,32}\.(?:chunk\.)?\w+$"
    # Vite's and Rollup's: eight characters of base64, told from words by both cases and a digit.
    r"|-(?=[\w-]*\d)(?=[\w-]*[a-z])(?=[\w-]*[A-Z])[\w-]{8}\.\w+$"
)
KEPT = "public, max-age=31536000, immutable"
ASKED_AGAIN = "public, max-age=0, must-revalidate"

BYTE_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class Redirection(NamedTuple):
    """One line of `_redirects`: what it matches, where it leads, whether it goes before a file."""

    pattern: re.Pattern[str]
    target: str
    status: int
    forced: bool

    def target_of(self, path: str) -> str | None:
        """Where a path leads, or None if the rule is about others."""
        found = self.pattern.fullmatch(path)
        if found is None:
            return None
        values = found.groupdict(default="")
        target = re.sub(r":(\w+)", lambda name: values.get(name[1], name[0]), self.target)
        # `//host` and `/\host` would lead to another site that the request named.
        return target if "://" in self.target else re.sub(r"^[/\\]+", "/", target)


def read_rules(text: str) -> tuple[list[Redirection], list[str]]:
    """The rules of a `_redirects` file, and the lines that ask for what is not served here."""
    rules, unread = [], []
    for line in text.splitlines():
        words = line.partition(" #")[0].split()
        if not words or words[0].startswith("#"):
            continue
        rule = _rule(words)
        if rule is None:
            unread.append(line.strip())
        else:
            rules.append(rule)
    return rules, unread


def _rule(words: list[str]) -> Redirection | None:
    # Conditions by query, country, language or role are more words than three.
    source, target, status = [*words, "301"][:3] if len(words) in (2, 3) else ("", "", "")
    outside = "://" in target
    if not source.startswith("/") or not (outside or target.startswith("/")):
        return None
    code = re.fullmatch(r"(\d{3})(!?)", status)
    if code is None:
        return None
    number = int(code[1])
    if number not in REDIRECT_STATUSES and (outside or number not in REWRITE_STATUSES):
        return None
    try:
        return Redirection(_pattern(source), target, number, forced=bool(code[2]))
    except re.error:
        return None


def _pattern(source: str) -> re.Pattern[str]:
    """`/a/:name/*` as an expression; a slash at the end makes no difference."""
    splat = source.endswith("*")
    expression = re.sub(r":(\w+)", r"(?P<\1>[^/]+)", re.escape(source.rstrip("*").rstrip("/")))
    return re.compile(expression + (r"(?:/+(?P<splat>.*))?" if splat else "/?"), re.DOTALL)


@lru_cache(maxsize=64)
def compressed(file: str, version: tuple[int, int]) -> bytes:
    """A file as gzip, made once for each version of it."""
    del version
    with open(file, "rb") as plain:
        return gzip.compress(plain.read(), compresslevel=6, mtime=0)


def takes_gzip(header: str) -> bool:
    """Whether an Accept-Encoding header lets an answer be gzip."""
    for coding in header.lower().split(","):
        name, *weights = (part.strip() for part in coding.split(";"))
        if name in ("gzip", "*"):
            return not any(REFUSED.fullmatch(weight) for weight in weights)
    return False


def with_query(target: str, query: str) -> str:
    """A redirect's target with the query of the request, unless it has one of its own."""
    return f"{target}?{query}" if query and "?" not in target else target


class Pages(SimpleHTTPRequestHandler):
    """Files of one folder and nothing outside of it; lists no folder."""

    protocol_version = "HTTP/1.1"
    spa = False
    rules: tuple[Redirection, ...] = ()

    def do_GET(self) -> None:
        """Answer with the file, the redirect or the page of what is not there."""
        path, _, query = self.path.partition("#")[0].partition("?")
        file = self._file(path)
        rule, target = self._rule(path, is_file=file is not None)
        if rule is not None and rule.status in REDIRECT_STATUSES:
            self._redirect(with_query(target, query), rule.status)
            return
        if rule is not None and (rewritten := self._file(target.partition("?")[0])):
            self._serve(rewritten, target, rule.status)
            return
        if file is None and self.spa and "." not in path.rpartition("/")[2]:
            file = self._file("/" + INDEX)
        if file is None:
            self.send_error(HTTPStatus.NOT_FOUND)
        elif file == os.path.realpath(os.path.join(self._place(path), INDEX)) and path[-1:] != "/":
            # Links of the page are relative to its folder.
            self._redirect(with_query(f"{path}/", query), HTTPStatus.MOVED_PERMANENTLY)
        else:
            self._serve(file, path, HTTPStatus.OK)

    def do_HEAD(self) -> None:
        """Answer as GET does, without the body."""
        self.do_GET()

    def _rule(self, path: str, *, is_file: bool) -> tuple[Redirection | None, str]:
        for rule in self.rules:
            target = None if is_file and not rule.forced else rule.target_of(path)
            if target is not None:
                return rule, target
        return None, ""

    def _place(self, path: str) -> str:
        return self.translate_path(path).rstrip("/").replace("\0", "\ufffd")

    def _file(self, path: str) -> str | None:
        """The regular file that a path names, if it lies in the folder."""
        place = self._place(path)
        root = os.path.realpath(self.directory)
        for name in (place, os.path.join(place, INDEX), f"{place}.html"):
            file = os.path.realpath(name)
            inside = file.startswith(root.rstrip(os.sep) + os.sep)
            if inside and os.path.isfile(file) and file != os.path.join(root, REDIRECTS):
                return file
        return None

    def _redirect(self, target: str, status: int) -> None:
        self.send_response(status)
        self.send_header("Location", target)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _serve(self, file: str, path: str, status: int) -> None:
        facts = os.stat(file)
        version = (facts.st_mtime_ns, facts.st_size)
        kind = self.guess_type(file)
        packable = COMPRESSIBLE.match(kind) is not None and facts.st_size in COMPRESSED_SIZES
        packed = packable and takes_gzip(self.headers.get("Accept-Encoding", ""))
        tag = f'"{version[0]:x}-{version[1]:x}{"-gzip" if packed else ""}"'
        changed = self.date_time_string(int(facts.st_mtime))
        headers = {
            "Cache-Control": KEPT if HASHED.search(path) else ASKED_AGAIN,
            "ETag": tag,
            "Last-Modified": changed,
            **({"Vary": "Accept-Encoding"} if packable else {}),
        }
        if status == HTTPStatus.OK and self._is_known(tag, changed):
            self._head(HTTPStatus.NOT_MODIFIED, headers)
            return
        headers["Content-Type"] = f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
        if packed:
            body = compressed(file, version)
            self._head(
                status, {**headers, "Content-Encoding": "gzip", "Content-Length": str(len(body))}
            )
            if self.command != "HEAD":
                self.wfile.write(body)
            return
        with open(file, "rb") as source:
            self._send_file(source, version[1], status, {**headers, "Accept-Ranges": "bytes"})

    def _send_file(self, source: BinaryIO, size: int, status: int, headers: dict[str, str]) -> None:
        """The whole file, or the one range of it that was asked for, as players of video do."""
        first, last = 0, size - 1
        asked = BYTE_RANGE.fullmatch(self.headers.get("Range", ""))
        if (
            asked
            and any(asked.groups())
            and status == HTTPStatus.OK
            and "If-Range" not in self.headers
        ):
            first = int(asked[1]) if asked[1] else max(0, size - int(asked[2]))
            last = min(last, int(asked[2])) if asked[1] and asked[2] else last
            if first > last:
                refusal = {"Content-Range": f"bytes */{size}", "Content-Length": "0"}
                self._head(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, refusal)
                return
            status = HTTPStatus.PARTIAL_CONTENT
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        self._head(status, {**headers, "Content-Length": str(last - first + 1)})
        if self.command == "HEAD":
            return
        if (first, last) == (0, size - 1):
            copyfileobj(source, self.wfile)
            return
        source.seek(first)
        left = last - first + 1
        while left and (chunk := source.read(min(left, 65536))):
            self.wfile.write(chunk)
            left -= len(chunk)

    def _is_known(self, tag: str, changed: str) -> bool:
        known = self.headers.get("If-None-Match")
        if known is None:
            return self.headers.get("If-Modified-Since") == changed
        tags = {each.strip().removeprefix("W/") for each in known.split(",")}
        return tag in tags or "*" in tags

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer with the site's own page for what is not there, if it has one."""
        page = self._file("/" + NOT_FOUND) if code == HTTPStatus.NOT_FOUND else None
        if page is None:
            super().send_error(code, message, explain)
        else:
            self._serve(page, "/" + NOT_FOUND, code)

    def log_message(self, format: str, *values: object) -> None:  # noqa: A002 - the base's name
        """One line a request, on standard output."""
        del format
        _say(f"{self.command} {self.path} {values[1] if len(values) > 1 else ''}")


class Server(ThreadingHTTPServer):
    """One thread a connection; a short burst of them waits instead of being refused."""

    daemon_threads = True
    request_queue_size = 128


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _rules_of(root: str) -> tuple[Redirection, ...]:
    try:
        with open(os.path.join(root, REDIRECTS), encoding="utf-8", errors="replace") as file:
            rules, unread = read_rules(file.read(1024 * 1024))
    except OSError:
        return ()
    for line in unread:
        _say(f"{REDIRECTS}: this line is not supported and was left out: {line}")
    return tuple(rules)


def main(arguments: list[str]) -> None:
    """Serve until the process ends."""
    Pages.spa = "--spa" in arguments
    Pages.rules = _rules_of(arguments[0])
    address = ("127.0.0.1", int(os.environ["PORT"]))
    Server(address, partial(Pages, directory=arguments[0])).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
