"""Volumes: directories of an environment's app that outlive its versions."""

import os
import re
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from createos_mcp.contract.values import Json
from createos_mcp.platform.errors import InvalidRequestError, WrongStateError
from createos_mcp.platform.models import Mount
from createos_mcp.platform.paths import DataDir, tree_bytes
from createos_mcp.platform.sandbox.sandbox import SYSTEM

SETTING = "volumes"
MB = 2**20
_ITS_OWNER, _ANYBODY = 0o700, 0o777
TAKEN = frozenset(
    {"app", "build-tmp", "cache", "dev", "etc", "proc", "root", "run", "services", "sys", "tmp"}
    | {Path(name).parts[1] for name in SYSTEM}
)
"""First parts of paths that an app sees something else at."""

_PATH = re.compile(r"(?:/(?!\.\.?(?:/|$))[A-Za-z0-9._-]{1,64}){1,4}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Volume:
    """One of them, as settings have it."""

    path: str
    """Where the app sees it, `/data`."""
    size_mb: int
    shared: bool
    """Whether several replicas may use it at once."""


def read_volumes(settings: Mapping[str, Json]) -> tuple[Volume, ...]:
    """The volumes of a project's settings."""
    return tuple(
        Volume(path=row["path"], size_mb=row["sizeMb"], shared=bool(row.get("shared")))
        for row in settings.get(SETTING) or ()
    )


def check_volumes(volumes: Sequence[Volume]) -> None:
    """Return if an app can see all of them.

    Raises:
        InvalidRequestError: A path cannot be one, or is there twice or below another.
    """
    seen: list[str] = []
    for number, volume in enumerate(volumes):
        place = f"volumes.{number}.path"
        if not _PATH.fullmatch(volume.path) or volume.path.split("/")[1] in TAKEN:
            raise InvalidRequestError(
                f"{place}: {volume.path!r} cannot be a volume; use an absolute path such as /data "
                "that is not part of the system and not in /app."
            )
        if any(_overlap(volume.path, other) for other in seen):
            raise InvalidRequestError(
                f"{place}: {volume.path!r} is in another volume, or holds it."
            )
        seen.append(volume.path)


def refuse_sharing(volumes: Sequence[Volume], replicas: int, environment: str) -> None:
    """Return if so many replicas may use the volumes.

    Raises:
        WrongStateError: One is not meant to be shared.
    """
    alone = [volume.path for volume in volumes if not volume.shared]
    if replicas > 1 and alone:
        raise WrongStateError(
            f"The volume {alone[0]} is for one replica, and {environment} has {replicas}. Set "
            "replicas to 1, or shared to true where the app can share it."
        )


def _overlap(one: str, other: str) -> bool:
    return Path(one).is_relative_to(other) or Path(other).is_relative_to(one)


class Volumes:
    """The directories on disk, one for each environment and path.

    What an app has written there is measured and removed, and never followed.
    """

    def __init__(self, data_dir: DataDir) -> None:
        self._data_dir = data_dir

    def mount(
        self,
        environment_id: str,
        volume: Volume,
        uid: int | None,
        *,
        always_writable: bool,
        for_any_user: bool = False,
    ) -> Mount:
        """How an app sees its volume; one that is too large can be read only.

        Args:
            environment_id: Whose.
            volume: Which.
            uid: The kernel's user of the project, where each has one.
            always_writable: For commands, which make room.
            for_any_user: For images, which choose their user; none but the container gets there.
        """
        place = self.place(environment_id, volume)
        place.mkdir(mode=_ITS_OWNER, parents=True, exist_ok=True)
        if uid is not None:
            os.chown(place, uid, uid, follow_symlinks=False)
        place.chmod(_ANYBODY if for_any_user else _ITS_OWNER)
        writable = always_writable or not self.is_full(environment_id, volume)
        return Mount(source=place, place=Path(volume.path), writable=writable)

    def place(self, environment_id: str, volume: Volume) -> Path:
        """Where it is; its parent belongs to the platform, so that no app can replace it."""
        return self._data_dir.volume(environment_id) / volume.path.strip("/").replace("/", "+")

    def used_mb(self, environment_id: str, volume: Volume) -> float:
        """What is in it."""
        return tree_bytes(self.place(environment_id, volume)) / MB

    def is_full(self, environment_id: str, volume: Volume) -> bool:
        """Whether it holds more than it may."""
        return self.used_mb(environment_id, volume) > volume.size_mb

    def show(self, environment_id: str, volumes: Sequence[Volume]) -> list[Json]:
        """What an environment's volumes hold."""
        used = {volume: self.used_mb(environment_id, volume) for volume in volumes}
        return [
            {
                "path": volume.path,
                "sizeMb": volume.size_mb,
                "usedMb": round(used_mb, 1),
                "readOnly": used_mb > volume.size_mb,
            }
            for volume, used_mb in used.items()
        ]

    def collect(self, environment_ids: Collection[str]) -> None:
        """Remove those of environments that are gone."""
        for directory in self._data_dir.volumes.glob("*"):
            if directory.name not in environment_ids:
                shutil.rmtree(directory, ignore_errors=True)
