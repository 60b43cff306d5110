"""Builds the MCP bundle, `dist/createos-mcp-<version>.mcpb`: a zip that hosts install."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

ROOT = Path(__file__).parent.parent
HERE = ROOT / "release"

ROOT_FILES = ("pyproject.toml", "README.md", "LICENSE")
DIRECTORIES = ("createos_mcp", "tool_schemas", "starters")
BUNDLE_FILES = ("manifest.json", "launch.py")

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""One moment for all files, so that the same sources make the same bundle."""

_READABLE = 0o644 << 16


def bundled_files() -> Iterator[tuple[str, Path]]:
    """Every file of the bundle: its name there, and where it is."""
    yield from ((name, HERE / name) for name in BUNDLE_FILES)
    yield from ((name, ROOT / name) for name in ROOT_FILES)
    for directory in DIRECTORIES:
        for file in sorted((ROOT / directory).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                yield file.relative_to(ROOT).as_posix(), file


def build(target_dir: Path) -> Path:
    """Write the bundle of this checkout into a directory, and return it."""
    manifest = json.loads((HERE / "manifest.json").read_text())
    target_dir.mkdir(parents=True, exist_ok=True)
    bundle = target_dir / f"{manifest['name']}-{manifest['version']}.mcpb"
    with ZipFile(bundle, "w", ZIP_DEFLATED) as archive:
        for name, file in bundled_files():
            entry = ZipInfo(name, _EPOCH)
            entry.compress_type = ZIP_DEFLATED
            entry.external_attr = _READABLE
            archive.writestr(entry, file.read_bytes())
    return bundle


if __name__ == "__main__":
    sys.stdout.write(f"{build(Path(sys.argv[1]) if sys.argv[1:] else ROOT / 'dist')}\n")
