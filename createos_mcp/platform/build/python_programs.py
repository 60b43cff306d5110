"""Programs of Python: the usual names, and what a program says of itself.

See https://packaging.python.org/en/latest/specifications/inline-script-metadata/.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from createos_mcp.contract.values import Json
from createos_mcp.platform.build.manifests import read_text

PYTHON_MAINS = (
    *("main.py", "app.py", "server.py", "wsgi.py", "asgi.py", "run.py", "api.py", "bot.py"),
    *("src/main.py", "src/app.py", "app/main.py", "app/app.py", "app/server.py", "app/__init__.py"),
    *("api/main.py", "backend/main.py", "server/main.py", "application.py", "index.py"),
    *("streamlit_app.py", "Home.py", "__main__.py"),
)

_BLOCK = re.compile(r"^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$", re.MULTILINE)
"""As the specification has it."""


def find_self_described(source: Path) -> tuple[str, Mapping[str, Json]] | None:
    """The first program with the usual name that says what it needs, and what it says."""
    for name in PYTHON_MAINS:
        table = read_inline_metadata(read_text(source / name))
        if table:
            return name, table
    return None


def read_inline_metadata(program: str) -> Mapping[str, Json]:
    """What a program says of itself; nothing where it is not as it should be."""
    blocks = list(_BLOCK.finditer(program.replace("\r\n", "\n")))
    if len(blocks) != 1:
        return {}
    lines = blocks[0]["content"].splitlines()
    try:
        return tomllib.loads("\n".join(line[2:] for line in lines))
    except tomllib.TOMLDecodeError:
        return {}
