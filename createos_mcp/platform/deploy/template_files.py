"""Template files: kept when a template is made, and those that come with the platform."""

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from createos_mcp.contract.values import Json
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.states import TemplateStatus
from createos_mcp.platform.store.templates import NewTemplate, Templates, TemplateText

_IN_THE_PACKAGE = Path(__file__).parents[2] / "starters"
_BESIDE_THE_PACKAGE = Path(__file__).parents[3] / "starters"


@dataclass(frozen=True, kw_only=True, slots=True)
class Starter:
    """A template that comes with the platform."""

    name: str
    files: Path
    text: TemplateText
    settings: Mapping[str, Json]

    @property
    def id(self) -> str:
        """The same on every platform."""
        return str(uuid5(NAMESPACE_URL, f"createos:starter:{self.name}"))


def read_starters() -> Iterator[Starter]:
    """All of them, by name."""
    root = _IN_THE_PACKAGE if _IN_THE_PACKAGE.is_dir() else _BESIDE_THE_PACKAGE
    for place in sorted(root.iterdir()):
        told = json.loads((place / "template.json").read_text(encoding="utf-8"))
        text = TemplateText(
            name=told["name"],
            description=told["description"],
            overview=told["overview"],
            use_cases=told["useCases"],
            video_url="",
            image_uri="",
            categories=told["categories"],
            amount_cents=0,
        )
        yield Starter(name=place.name, files=place / "files", text=text, settings=told["settings"])


class TemplateFiles:
    """Keeps a copy of each template's files, which its project may change or delete."""

    def __init__(self, data_dir: DataDir) -> None:
        self._data_dir = data_dir
        self._starters = {starter.id: starter for starter in read_starters()}

    async def list_starters(self, templates: Templates) -> None:
        """Offer the starters of this version, in place of those of the last."""
        await templates.offer(
            [
                NewTemplate(
                    id=starter.id,
                    user_id=None,
                    project_id=starter.id,
                    environment_id=starter.id,
                    text=starter.text,
                    status=TemplateStatus.LISTED,
                    configurations={
                        "projectConfiguration": dict(starter.settings),
                        "environmentConfiguration": {"runEnvs": {}},
                        "buildResources": {},
                        "deploymentResources": {},
                    },
                )
                for starter in self._starters.values()
            ]
        )

    def of(self, template_id: str) -> Path:
        """Where a template's files are."""
        starter = self._starters.get(template_id)
        return starter.files if starter is not None else self._data_dir.template(template_id)

    def keep(self, template_id: str, source: Path) -> None:
        """Copy the files that a deployment was built from; waits for the disk.

        Raises:
            OSError: They cannot be written.
        """
        target = self._data_dir.template(template_id)
        draft = target.with_name(f"{template_id}.draft")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(source, draft, symlinks=True)
        draft.rename(target)

    def forget(self, template_id: str) -> None:
        """Delete the files of a template that was not stored."""
        shutil.rmtree(self._data_dir.template(template_id), ignore_errors=True)
