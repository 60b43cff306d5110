"""The folder of an app: the upload itself, or the one in it that `directoryPath` names.

Where neither is one, a file for another host may tell the folder.
"""

from collections.abc import Mapping
from pathlib import Path

from createos_mcp.contract.reason_codes import ReasonCode
from createos_mcp.contract.values import Json
from createos_mcp.platform.build.detection import is_app
from createos_mcp.platform.build.other_hosts import told_folders
from createos_mcp.platform.errors import BuildFailedError


def find_app_folder(top: Path, settings: Mapping[str, Json]) -> Path:
    """The folder, resolved; it lies in the upload.

    Args:
        top: The upload, or a copy of it.
        settings: Those of the deployment.

    Raises:
        BuildFailedError: There is no such folder.
    """
    given = settings.get("directoryPath") or _told_folder(top) or "."
    folder = Path(top, str(given).strip("/") or ".").resolve()
    if not folder.is_relative_to(top.resolve()) or not folder.is_dir():
        reason = f"directoryPath: the upload has no folder {given!r}."
        raise BuildFailedError(ReasonCode.FOLDER_MISSING, reason)
    return folder


def _told_folder(top: Path) -> str | None:
    """The only one that files for other hosts name, where the top itself is no app."""
    folders = {folder for folder in told_folders(top) if is_app(top / folder)}
    if len(folders) != 1:
        return None
    folder = folders.pop()
    return None if is_app(top, apart_from=folder) else folder
