"""The directory of schemas: where it is, and what a server tells a model at its beginning."""

from pathlib import Path

BESIDE_THE_MODULE = Path(__file__).parents[1] / "tool_schemas"
"""Where a wheel carries the schema files."""

BESIDE_THE_PACKAGE = Path(__file__).parents[2] / "tool_schemas"
"""Where a checkout has them."""

INSTRUCTIONS_FILE = "instructions.md"
LOCAL_INSTRUCTIONS_FILE = "instructions_local.md"
"""What is added where the platform is this machine."""


def schema_directory() -> Path:
    """The directory of this installation."""
    return BESIDE_THE_MODULE if BESIDE_THE_MODULE.is_dir() else BESIDE_THE_PACKAGE


def read_instructions(root: Path, *, local: bool) -> str:
    """What a server tells a model at its beginning."""
    files = (INSTRUCTIONS_FILE, LOCAL_INSTRUCTIONS_FILE) if local else (INSTRUCTIONS_FILE,)
    return "\n\n".join((root / file).read_text(encoding="utf-8").strip() for file in files)
