"""An environment's log to follow: lines after a cursor, with none lost and none twice."""

import re

from anyio import to_thread

from createos_mcp.contract.values import Json
from createos_mcp.platform.api.api_request import ApiRequest
from createos_mcp.platform.errors import InvalidRequestError
from createos_mcp.platform.sandbox.log_cursors import LogCursor, read_after, read_end

DEFAULT_TAIL = 200
MAX_TAIL = 5000

_TAIL = re.compile(r"[0-9]{1,4}")


def read_tail(text: str | None) -> int:
    """How many of the newest lines a log begins with.

    Raises:
        InvalidRequestError: It is not a number from 0 to 5000.
    """
    if text is None:
        return DEFAULT_TAIL
    if not _TAIL.fullmatch(text) or int(text) > MAX_TAIL:
        raise InvalidRequestError(f"tail: must be a number from 0 to {MAX_TAIL}.")
    return int(text)


async def read_log_lines(request: ApiRequest, *, after: str | None, tail: int) -> Json:
    """What the replicas of an environment printed since a cursor, or the newest lines.

    Returns:
        `{"deploymentId", "lines": [{"at", "replica", "text"}], "cursor"}`. With a cursor of another
        deployment the log of the present one is read from its beginning.

    Raises:
        InvalidRequestError: `after` is not a cursor.
        NotFoundError: The project has no such environment.
    """
    await request.active_project()
    environment = await request.environment()
    deployment_id = environment.deployment_id
    if deployment_id is None:
        return {"deploymentId": None, "lines": [], "cursor": f"none.{LogCursor().to_text()}"}
    directory = request.services.config.data_dir.app_logs(deployment_id) / environment.id
    cursor = _cursor(after, deployment_id)
    lines, reached = (
        await to_thread.run_sync(read_end, directory, tail)
        if cursor is None
        else await to_thread.run_sync(read_after, directory, cursor)
    )
    texts = await request.mask_lines(environment.project_id, [line.text for line in lines])
    return {
        "deploymentId": deployment_id,
        "lines": [
            {"at": line.at, "replica": line.replica, "text": text}
            for line, text in zip(lines, texts, strict=True)
        ],
        "cursor": f"{deployment_id}.{reached.to_text()}",
    }


def _cursor(after: str | None, deployment_id: str) -> LogCursor | None:
    if not after:
        return None
    of, _, text = after.partition(".")
    try:
        cursor = LogCursor.from_text(text)
    except ValueError as error:
        raise InvalidRequestError("after: not a cursor of this log.") from error
    return cursor if of == deployment_id else LogCursor()
