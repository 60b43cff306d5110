"""The folder of an app: the upload itself, or the one in it that `directoryPath` names."""

from collections.abc import Mapping
from pathlib import Path

from createos_mcp.contract.reason_codes import ReasonCode
from createos_mcp.contract.values import Json
from createos_mcp.platform.errors import BuildFailedError


def find_app_folder(top: Path, settings: Mapping[str, Json]) -> Path:
    """The folder, resolved; it lies in the upload.

    Args:
        top: The upload, or a copy of it.
        settings: Those of the deployment.

    Raises:
        BuildFailedError: There is no such folder.
    """
    given = settings.get("directoryPath") or "."
    folder = Path(top, str(given).strip("/") or ".").resolve()
    if not folder.is_relative_to(top.resolve()) or not folder.is_dir():
        reason = f"directoryPath: the upload has no folder {given!r}."
        raise BuildFailedError(ReasonCode.FOLDER_MISSING, reason)
    return folder
