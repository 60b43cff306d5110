"""Visible parts: what of a program has to be seen where it runs, and nothing around it."""

import re
from pathlib import Path

from createos_mcp.platform.release_records import Bind
from createos_mcp.platform.sandbox.sandbox import is_of_system


def programs_parts(*programs: str) -> tuple[Bind, ...]:
    """Programs of this machine, each alone: what lies around them may be the user's own files.

    A link becomes a link again: npm looks for its library next to what its link leads to.
    """
    visible: list[Bind] = []
    for program in map(Path, programs):
        if is_of_system(program):
            continue
        if program.is_symlink():
            visible.append(Bind(path=program, target=str(program.readlink())))
            resolved = program.resolve()
            library = next(
                (p for p in resolved.parents if p.parent.name == "node_modules"), resolved
            )
            visible.append(Bind(path=library))
        else:
            visible.append(Bind(path=program))
    return tuple(visible)


def program_parts(program: Path) -> tuple[Bind, ...]:
    """What a program of the machine consists of: a binary is all, a script has an environment.

    Args:
        program: Without links.
    """
    environment = program.parents[1]
    if is_of_system(environment):
        return ()
    python = environment / "bin" / "python"
    if not (environment / "pyvenv.cfg").is_file() or not python.exists():
        return (Bind(path=program),)
    return (Bind(path=environment), *python_parts(python.resolve()))


def python_parts(python: Path, prefix: Path | None = None) -> tuple[Bind, ...]:
    """What an interpreter consists of: program, libraries, headers, and nothing else of its prefix.

    Args:
        python: The program, without links.
        prefix: Where it is installed; by default the directory above its own.
    """
    home = prefix or python.parents[1]
    if is_of_system(home):
        return ()
    version = re.search(r"(\d+\.\d+)", python.name)
    name = f"python{version[1]}" if version else "python3"
    libraries = sorted(home.glob("lib/libpython*"))
    parts = [python, home / "lib" / name, *libraries, home / "include" / name]
    return tuple(Bind(path=part) for part in dict.fromkeys(parts) if part.exists())
