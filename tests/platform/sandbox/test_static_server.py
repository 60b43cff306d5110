import gzip
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from createos_mcp.platform.sandbox import static_server
from createos_mcp.platform.sandbox.static_server import read_rules, takes_gzip

Site = Callable[..., httpx2.Client]

LONG = "body { color: black }\n" * 100


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Serves files, given as text by their paths, as the platform does."""
    running: list[subprocess.Popen[bytes]] = []
    clients: list[httpx2.Client] = []

    def serve(files: dict[str, str], *flags: str) -> httpx2.Client:
        root = tmp_path / "site"
        for name, text in files.items():
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        program = [sys.executable, "-IS", static_server.__file__, str(root), *flags]
        running.append(
            subprocess.Popen(program, env={"PORT": str(port)}, stdout=subprocess.DEVNULL)
        )
        client = httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False)
        clients.append(client)
        for _ in range(200):
            try:
                client.get("/")
            except httpx2.ConnectError:
                time.sleep(0.05)
            else:
                return client
        pytest.fail("the server did not start")

    yield serve
    for client in clients:
        client.close()
    for process in running:
        process.kill()
        process.wait()


def test_a_path_without_a_suffix_is_a_page(site: Site) -> None:
    client = site({"about.html": "about", "blog/index.html": "blog"})

    assert client.get("/about").text == "about"
    assert client.get("/about/").text == "about"
    assert client.get("/blog?page=2").headers["Location"] == "/blog/?page=2"
    assert client.get("/blog/").text == "blog"


def test_what_is_not_there_has_the_sites_own_page(site: Site) -> None:
    client = site({"404.html": "<p>lost</p>", "empty/file.txt": "x"})

    for path in ("/missing", "/empty/", "/%00", "/" + "a" * 5000, "/_redirects"):
        answer = client.get(path)
        assert (answer.status_code, answer.text) == (404, "<p>lost</p>"), path


def test_a_single_page_app_answers_at_every_path_but_those_of_files(site: Site) -> None:
    client = site({"index.html": "app"}, "--spa")

    assert client.get("/users/1").text == "app"
    assert client.get("/%00").text == "app"
    assert client.get("/missing.js").status_code == 404


def test_nothing_outside_of_the_folder_is_served(site: Site, tmp_path: Path) -> None:
    (tmp_path / "secret.html").write_text("secret")
    client = site({"index.html": "home"})
    (tmp_path / "site" / "link.html").symlink_to(tmp_path / "secret.html")
    os.mkfifo(tmp_path / "site" / "pipe")

    for path in ("/link.html", "/link", "/..%2fsecret.html", "/pipe"):
        assert client.get(path).status_code == 404, path


def test_redirects_are_read_as_netlify_documents_them(site: Site) -> None:
    rules = """
# comment
/old            /new              # 301 unless said
/shop/:id/view  /products/:id     302
/docs/*         https://docs.example.com/:splat  308
/home           /index.html       200
/gone/*         /404.html         404
/about.html     /us               301!
"""
    client = site(
        {"_redirects": rules, "index.html": "home", "404.html": "lost", "about.html": "a"}
    )

    def led(path: str) -> tuple[int, str]:
        answer = client.get(path)
        return answer.status_code, answer.headers.get("Location", answer.text)

    assert led("/old/?a=1") == (301, "/new?a=1")
    assert led("/shop/7/view") == (302, "/products/7")
    assert led("/docs/a/b") == (308, "https://docs.example.com/a/b")
    assert led("/docs") == (308, "https://docs.example.com/")
    assert led("/home") == (200, "home")
    assert led("/gone/x") == (404, "lost")
    assert led("/about.html") == (301, "/us")


def test_a_file_goes_before_a_redirect(site: Site) -> None:
    client = site({"_redirects": "/* /index.html 200", "index.html": "home", "a.txt": "file"})

    assert client.get("/a.txt").text == "file"
    assert client.get("/any/path.js").text == "home"


@pytest.mark.parametrize("path", ["/to//evil.example", "/to/%5cevil.example", "/to/\\evil.example"])
def test_a_redirect_never_leads_to_a_site_that_the_request_named(path: str) -> None:
    [rule], _ = read_rules("/to/* /:splat")

    assert re.match(r"/[^/\\]", rule.target_of(path) or "")


def test_lines_that_are_not_supported_are_named() -> None:
    unsupported = [
        "/store id=:id /blog/:id 301",
        "/ /china 302 Country=cn",
        "/api/* https://api.example.com/:splat 200",
        "https://old.example.com/* /new 301",
        "/:a/:a /b",
        "/a /b abc",
        "/only",
    ]
    rules, unread = read_rules("\n".join([*unsupported, "/a /b"]))

    assert [rule.target for rule in rules] == ["/b"]
    assert unread == unsupported


def test_text_is_compressed_for_who_takes_it(site: Site) -> None:
    client = site({"style.css": LONG, "small.css": "a {}"})

    packed = client.get("/style.css", headers={"Accept-Encoding": "br, gzip;q=0.5"})
    plain = client.get("/style.css", headers={"Accept-Encoding": "identity"})
    small = client.get("/small.css", headers={"Accept-Encoding": "gzip"})

    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) < len(LONG) / 5
    assert packed.text == plain.text == LONG
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    assert packed.headers["ETag"] != plain.headers["ETag"]
    assert "Content-Encoding" not in plain.headers
    assert "Content-Encoding" not in small.headers


@pytest.mark.parametrize(
    ("header", "takes"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=0.1", True),
        ("*", True),
        ("", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
    ],
)
def test_compression_is_negotiated(header: str, *, takes: bool) -> None:
    assert takes_gzip(header) is takes


def test_pages_are_asked_for_again_and_hashed_files_are_kept(site: Site) -> None:
    kept = ("assets/index-DiwrgTd4.js", "main.3f2a91bc.css", "_next/static/x.js", "_astro/a.css")
    asked_again = ("index.html", "app.js", "jquery-migrate.js", "report-20251105.txt")
    client = site(dict.fromkeys((*kept, *asked_again), "x"))

    for name in kept:
        assert "immutable" in client.get(f"/{name}").headers["Cache-Control"], name
    for name in asked_again:
        assert "max-age=0" in client.get(f"/{name}").headers["Cache-Control"], name


def test_a_page_that_has_not_changed_is_not_sent_again(site: Site, tmp_path: Path) -> None:
    client = site({"index.html": "one"})
    first = client.get("/")
    by_tag = {"If-None-Match": f'"other", W/{first.headers["ETag"]}'}
    by_date = {"If-Modified-Since": first.headers["Last-Modified"]}

    again = client.get("/", headers=by_tag)
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/", headers=by_date).status_code == 304
    (tmp_path / "site" / "index.html").write_text("other")
    assert client.get("/", headers=by_tag).text == "other"


@pytest.mark.parametrize(
    ("asked", "status", "body", "where"),
    [
        ("bytes=0-2", 206, "abc", "bytes 0-2/10"),
        ("bytes=7-", 206, "hij", "bytes 7-9/10"),
        ("bytes=-2", 206, "ij", "bytes 8-9/10"),
        ("bytes=8-99", 206, "ij", "bytes 8-9/10"),
        ("bytes=10-", 416, "", "bytes */10"),
        ("bytes=-", 200, "abcdefghij", None),
        ("bytes=0-1,3-4", 200, "abcdefghij", None),
        ("lines=1-2", 200, "abcdefghij", None),
    ],
)
def test_a_part_of_a_file_can_be_asked_for(
    asked: str, status: int, body: str, where: str | None, site: Site
) -> None:
    answer = site({"film.mp4": "abcdefghij"}).get("/film.mp4", headers={"Range": asked})

    assert (answer.status_code, answer.text) == (status, body)
    assert answer.headers.get("Content-Range") == where


def test_head_has_the_headers_of_get_and_no_body(site: Site) -> None:
    client = site({"style.css": LONG})
    headers = {"Accept-Encoding": "gzip"}

    got, head = (
        client.get("/style.css", headers=headers),
        client.head("/style.css", headers=headers),
    )

    assert head.content == b""
    assert int(head.headers["Content-Length"]) == len(gzip.compress(LONG.encode(), 6, mtime=0))
    assert {**got.headers, "date": ""} == {**head.headers, "date": ""}
    assert client.get("/style.css").text == LONG
