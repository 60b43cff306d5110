"""Other languages: those that this platform does not build itself, and the files that tell them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from createos_mcp.platform.build.manifests import read_code
from createos_mcp.platform.build.node_apps import is_page_or_server
from createos_mcp.platform.build.process_types import read_process_types

_FILES: Mapping[str, str] = {
    "Gemfile": "Ruby",
    "composer.json": "PHP",
    "index.php": "PHP",
    "pom.xml": "Java",
    "build.gradle": "Java",
    "build.gradle.kts": "Kotlin",
    "mix.exs": "Elixir",
    "*.csproj": ".NET",
    "*.fsproj": ".NET",
    "*.sln": ".NET",
    "deno.json": "Deno",
    "deno.jsonc": "Deno",
    "environment.yml": "Conda",
    "environment.yaml": "Conda",
    "build.sbt": "Scala",
    "Package.swift": "Swift",
    "gleam.toml": "Gleam",
    "shard.yml": "Crystal",
}

_BESIDE_TOOLS = frozenset({"Ruby", "PHP", "Java", "Kotlin", "Elixir", ".NET", "Scala"})
"""Languages whose apps often have a `package.json` for their styles and scripts alone."""

_PROGRAMS = frozenset(
    {
        *("bundle", "rails", "rackup", "puma", "php", "java", "mix", "dotnet", "sbt"),
        *("vendor/bin/heroku-php-apache2", "vendor/bin/heroku-php-nginx"),
    }
)
"""What a Procfile starts them with."""

_PAGES_MADE_BY: Mapping[str, tuple[str, ...]] = {
    "Ruby": ("_config.yml", "config.ru", "config.rb"),
    "PHP": ("index.php", "public/index.php"),
}
"""Files by which pages that lie there are a part of such an app, and not all of it."""

_DENO_MAINS = ("main.ts", "mod.ts", "server.ts", "index.ts", "app.ts", "main.tsx")
_DENO = re.compile(r"""\bDeno\.\w|["'](?:npm|jsr):|["']https://deno\.land/""")
"""What only Deno runs: its own object, and packages by address."""

_PYTHON_LISTS = ("requirements.txt", "pyproject.toml", "Pipfile")


@dataclass(frozen=True, kw_only=True, slots=True)
class OtherLanguage:
    """One that an app is in, and what tells it."""

    name: str
    file: str


def find_other_language(source: Path) -> OtherLanguage | None:
    """The first whose file is there."""
    present = (file for file in _FILES if next(source.glob(file), None) is not None)
    told = next((OtherLanguage(name=_FILES[file], file=file) for file in present), None)
    mains = (name for name in _DENO_MAINS if _DENO.search(read_code(source / name)))
    return told or next((OtherLanguage(name="Deno", file=name) for name in mains), None)


def leads(other: OtherLanguage, family: str, source: Path) -> bool:
    """Whether an app is in that language, and what speaks for another one is a part of it.

    Args:
        other: What was found.
        family: What the platform would take it for, `node`.
        source: The app's own folder.
    """
    if family == "python":
        return other.name == "Conda" and not any((source / n).is_file() for n in _PYTHON_LISTS)
    if family == "static":
        return any((source / name).is_file() for name in _PAGES_MADE_BY.get(other.name, ()))
    if family not in {"node", "bun"} or other.name not in _BESIDE_TOOLS:
        return False
    program = (read_process_types(source).web or "").partition(" ")[0]
    return program in _PROGRAMS or not is_page_or_server(source)
