"""What was built of a deployment, or pulled for it: kept with it as JSON, and run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from createos_mcp.contract.values import Json


@dataclass(frozen=True, kw_only=True, slots=True)
class Bind:
    """A path of the machine that is visible at the same place inside, read-only."""

    path: Path
    target: str | None = None
    """Makes a link to this instead: a bound link would be a copy of what it leads to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """A built app, ready to start: kept as JSON with the deployment."""

    app: Path
    """Its files on the machine."""
    place: Path
    """Where it sees them; it was built there, too."""
    directory: str
    """Where it is started, below that."""
    command: tuple[str, ...]
    """Program and arguments; `("/bin/sh", "-c", "npm start")` for a run command."""
    environ: Mapping[str, str]
    """Variables of the toolchain: PATH first."""
    toolchain: tuple[Bind, ...]
    """What the app must see of the machine."""
    worker: bool = False
    """Whether it opens no port and has no address."""
    before: tuple[str, ...] = ()
    """What runs once before it takes over, program and arguments; empty for nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageRelease:
    """An image that is here and runs with its own command: kept as JSON with the deployment."""

    image: str
    """By digest, `docker.io/library/nginx@sha256:...`."""
    exposed: tuple[int, ...]
    """TCP ports that it says it listens on."""
    worker: bool = False
    """Whether it opens no port and has no address."""
    before: tuple[str, ...] = ()
    """What runs once before it takes over; empty for an image that was not built here."""
    command: tuple[str, ...] = ()
    """Program and arguments in place of its own; never kept, since an app has its image's."""


def release_to_json(release: Release | ImageRelease) -> dict[str, Json]:
    """Write a release so that `release_from_json` reads it back."""
    if isinstance(release, ImageRelease):
        return {
            "image": release.image,
            "exposed": list(release.exposed),
            "worker": release.worker,
            "before": list(release.before),
        }
    return {
        "app": str(release.app),
        "place": str(release.place),
        "directory": release.directory,
        "command": list(release.command),
        "environ": dict(release.environ),
        "toolchain": [[str(bind.path), bind.target] for bind in release.toolchain],
        "worker": release.worker,
        "before": list(release.before),
    }


def release_from_json(written: Mapping[str, Json]) -> Release | ImageRelease:
    """Read a release that `release_to_json` wrote."""
    if "image" in written:
        return ImageRelease(
            image=written["image"],
            exposed=tuple(written["exposed"]),
            worker=written["worker"],
            before=tuple(written.get("before", ())),
        )
    return Release(
        app=Path(written["app"]),
        place=Path(written["place"]),
        directory=written["directory"],
        command=tuple(written["command"]),
        environ=written["environ"],
        toolchain=tuple(Bind(path=Path(p), target=target) for p, target in written["toolchain"]),
        worker=written.get("worker", False),
        before=tuple(written.get("before", ())),
    )
