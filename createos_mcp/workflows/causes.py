"""Causes: what most likely lies behind a log, and what to do about it."""

import functools
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files

from createos_mcp.contract.reason_codes import ReasonCode
from createos_mcp.contract.values import Json

_VARIABLE = r"\b[A-Z][A-Z0-9_]{2,80}\b"
"""A word of a sentence is no variable: `the environment variable before ...`."""

_NAME = r"(?<![\w./@-])[\w./@-]{1,400}(?::[\w./@-]{1,80})*"
"""What a log may put into our own sentences: a name and nothing that reads like a sentence."""


_NAME_CHARACTERS = 80


@dataclass(frozen=True, kw_only=True, slots=True)
class Cause:
    """A likely reason and the next step."""

    reason: str
    next: str
    name: str = ""
    """Of the row in `causes.toml` that a log was known by."""


_OUT_OF_MEMORY = Cause(
    reason="the memory was not enough",
    next="Give it more with UpdateProjectEnvironmentResources if it has less than 1024 MB, the "
    "most that there is; otherwise let it use less.",
)
_BUILD_TIMED_OUT = Cause(
    reason="the build took longer than its limit of 15 minutes",
    next="Build less, or build on your side and deploy the result.",
)

_BY_CODE: Mapping[str, Cause] = {
    ReasonCode.NO_APP_FOUND: Cause(
        reason="no file tells what kind of app it is",
        next="Deploy the app's own folder, or set a runtime with UpdateProjectSettings.",
    ),
    ReasonCode.LANGUAGE_NOT_SERVED: Cause(
        reason="the app is in a language that the local platform does not build",
        next="Deploy an image of it, or add a Dockerfile where a container engine answers.",
    ),
    ReasonCode.NO_START_COMMAND: Cause(
        reason="no file and no setting has a start command",
        next="Set runCommand with UpdateProjectSettings, or add a start script; deploy again.",
    ),
    ReasonCode.NEEDS_DOCKER: Cause(
        reason="a Dockerfile needs a container engine, and none answers",
        next="Install Docker, or set hasDockerfile to false and a runtime with "
        "UpdateProjectSettings; deploy again.",
    ),
    ReasonCode.FOLDER_MISSING: Cause(
        reason="the folder in directoryPath was not uploaded",
        next="Correct directoryPath with UpdateProjectSettings and deploy again.",
    ),
    ReasonCode.SOURCE_UNAVAILABLE: Cause(
        reason="the commit could not be checked out",
        next="Read the reason: push submodules to this platform, or make the commit smaller; "
        "push again.",
    ),
    ReasonCode.OUTPUT_MISSING: Cause(
        reason="the build left no folder to serve",
        next="Set buildDir with UpdateProjectSettings to the folder it writes; deploy again.",
    ),
    ReasonCode.RUNTIME_UNAVAILABLE: Cause(
        reason="the runtime is not available on this machine",
        next="Set another runtime with UpdateProjectSettings, or install it as the log says.",
    ),
    ReasonCode.IMAGE_UNAVAILABLE: Cause(
        reason="the image could not be pulled",
        next="Correct its name and tag, or push it to a registry that gives access; deploy again.",
    ),
    ReasonCode.IMAGE_UNUSABLE: Cause(
        reason="the image is for another kind of processor",
        next="Build it for this machine's architecture too, and deploy again.",
    ),
    ReasonCode.BUILD_TIMED_OUT: _BUILD_TIMED_OUT,
    ReasonCode.OUT_OF_MEMORY: _OUT_OF_MEMORY,
}
"""What the platform knows better than any log."""

_AFTER_LOG: Mapping[str, Cause] = {
    ReasonCode.PORT_NOT_OPEN: Cause(
        reason="nothing listens on the app's port",
        next="Let the app listen on 0.0.0.0 and the port in the variable PORT; deploy again.",
    ),
    ReasonCode.UNHEALTHY: Cause(
        reason="the app listens, but its health path answers with an error",
        next="Let the path answer below 400 once the app is ready, or change healthPath with "
        "UpdateRuntimeSettings; deploy again.",
    ),
    ReasonCode.PLATFORM_FAILED: Cause(
        reason="the platform itself failed",
        next="Deploy again; if it fails again, read `createos-mcp platform logs`.",
    ),
}
"""What the platform saw, where the log does not tell more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownCause:
    """What a log shows when there is such a cause; `{0}` is the first name that it holds."""

    name: str
    """Of the row in `causes.toml`."""
    reason: str
    next: str
    patterns: tuple[re.Pattern[str], ...]
    when: str | None
    """The only state of a deployment in which it can be met."""

    def search(self, log: str) -> Cause | None:
        """The cause, if the log shows it."""
        found = next(filter(None, (pattern.search(log) for pattern in self.patterns)), None)
        if found is None:
            return None
        names = [_shorten_line(name) for name in found.groups() if name]
        reason = self.reason.format(*names, "?")
        return Cause(reason=reason, next=self.next, name=self.name)


@functools.cache
def known_causes() -> tuple[KnownCause, ...]:
    """The rows of `causes.toml`, read when the first failure is to be explained."""
    rows = tomllib.loads(files(__package__).joinpath("causes.toml").read_text())["causes"]
    return tuple(
        KnownCause(
            name=row["name"],
            reason=row["reason"],
            next=row["next"],
            patterns=tuple(map(_compile, row["patterns"])),
            when=row.get("when"),
        )
        for row in rows
    )


def _compile(pattern: str) -> re.Pattern[str]:
    named = pattern.replace("NAME", f"({_NAME})").replace("VARIABLE", f"({_VARIABLE})")
    return re.compile(named, re.MULTILINE)


_WARNING = re.compile(
    r"^\S*\s*(?:npm (?:warn|WARN|notice)|warning\b|WARN(?:ING)?[:\]]|\[WARN|\(node:\d+\).*Warning:"
    r"|\w*Warning:|YN0002|deprecated\b)"
)
"""Begins a line that names no cause of a failure."""

_LEVELS = ("level", "severity", "lvl")
_HARMLESS_LEVELS = frozenset(
    {"debug", "info", "warn", "warning", "trace", "notice", "10", "20", "30"}
)


MOST_CHARACTERS = 20_000
"""Of the end of a log that are looked at."""

MOST_OF_A_LINE = 1_000

_PREFIX = re.compile(r"^(?:[a-z]{2,12} \| )?(?:\d{4}-\d\d-\d\dT[\d:.]{5,18}Z )?")
"""Stage and time, which a log is shown with."""


_ATTEMPT = re.compile(r"\b(?:attempt|retry|try) \(?\d|\bretrying\b", re.IGNORECASE)
_SUCCESS = re.compile(r"\b(?:connected|recovered|succeeded|established)\b", re.IGNORECASE)


def readable_log(log: str) -> str:
    """A log without what only warns or informs, and with lines of JSON as their texts."""
    lines = log[-MOST_CHARACTERS:].splitlines()
    readable = "\n".join(filter(None, (_readable_line(line) for line in lines)))
    success = max((found.start() for found in _SUCCESS.finditer(readable)), default=0)
    before, after = readable[:success], readable[success:]
    failed = (line for line in before.splitlines() if not _ATTEMPT.search(line))
    return "\n".join((*failed, after))


def _readable_line(line: str) -> str:
    line = _PREFIX.sub("", line)
    if not line.strip():
        return ""
    if len(line) > MOST_OF_A_LINE and not line.rstrip().endswith("}"):
        line = f"{line[: MOST_OF_A_LINE // 2]} {line[-MOST_OF_A_LINE // 2 :]}"
    if _WARNING.match(line[:MOST_OF_A_LINE]):
        return ""
    start = line.find("{")
    try:
        record = json.loads(line[start:]) if start >= 0 else None
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        return line[:MOST_OF_A_LINE]
    if any(str(record.get(name)).lower() in _HARMLESS_LEVELS for name in _LEVELS):
        return ""
    texts = (line[:start], *_texts(record))
    return "\n".join(text[:MOST_OF_A_LINE] for text in texts)


def _texts(value: Json) -> Iterator[str]:
    """All texts in a record, those of its errors and stacks among them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            yield from _texts(member)


_BY_STATUS = {
    "build_error": Cause(
        reason="the build failed", next="Fix what the log shows and deploy again."
    ),
    "crashing": Cause(
        reason="the app exited as soon as it started",
        next="Fix what the log shows and deploy again.",
    ),
    "error": Cause(
        reason="the app did not start",
        next="Let it listen on 0.0.0.0 and the port in the variable PORT; deploy again.",
    ),
    "cancelled": Cause(reason="it was cancelled", next="Deploy again if you want it."),
    "sleeping": Cause(
        reason="it sleeps: no request came for some time, or a newer one replaced it",
        next="Request its URL, or call WakeupDeployment.",
    ),
    "terminating": Cause(reason="it is being deleted", next="Deploy again if you want it."),
}
_UNKNOWN = Cause(reason="the log does not say", next="Read GetBuildLogs as a whole.")


def known_cause_in(log: str, status: str) -> Cause | None:
    """What the end of a log shows to be the cause, if anything.

    Args:
        log: What was printed.
        status: Of the deployment.
    """
    readable = readable_log(log)
    rows = (row for row in known_causes() if row.when in {None, status})
    return next(filter(None, (row.search(readable) for row in rows)), None)


def find_cause(status: str, reason_code: str, log: str) -> Cause:
    """The likely cause of a deployment's state.

    Args:
        status: Of the deployment.
        reason_code: A `ReasonCode`; empty where the platform gives none.
        log: The reason in words, and the end of the log.
    """
    if reason_code in _BY_CODE:
        return _BY_CODE[reason_code]
    found = known_cause_in(log, status)
    if found is not None:
        return found
    return _AFTER_LOG.get(reason_code) or _BY_STATUS.get(status, _UNKNOWN)


def _shorten_line(name: str) -> str:
    """A path on the machine that built it says nothing but its end."""
    return (
        name.rpartition("/")[2][-_NAME_CHARACTERS:]
        if name.startswith("/")
        else name[:_NAME_CHARACTERS]
    )
