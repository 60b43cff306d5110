"""Causes: what most likely lies behind a log, and what to do about it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_NAME = r"[\w./@-]{1,400}"
"""What a log may put into our own sentences: a name and nothing that reads like a sentence."""


_NAME_CHARACTERS = 80


@dataclass(frozen=True, kw_only=True, slots=True)
class Cause:
    """A likely reason and the next step."""

    reason: str
    next: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LogPattern:
    """What a log shows when there is such a cause; `{0}` is the first name that it holds."""

    pattern: re.Pattern[str]
    reason: str
    next: str


def _sign(pattern: str, reason: str, next_step: str) -> LogPattern:
    compiled = re.compile(pattern.replace("NAME", f"({_NAME})"), re.IGNORECASE)
    return LogPattern(pattern=compiled, reason=reason, next=next_step)


LOG_PATTERNS: Sequence[LogPattern] = (
    _sign(
        r"Cannot find (?:module|package) ['\"]?NAME",
        "the module {0} is not there",
        "Add it to dependencies in package.json, or correct its path, and deploy again.",
    ),
    _sign(
        r"(?:ModuleNotFoundError|ImportError): No module named ['\"]?NAME",
        "the Python module {0} is not installed",
        "Add its package to requirements.txt and deploy again.",
    ),
    _sign(
        r"No matching distribution found for NAME",
        "the package {0} does not exist in that version",
        "Correct it in requirements.txt and deploy again.",
    ),
    _sign(
        r"(?:E404|404 Not Found)[^\n]*?registry|is not in (?:this|the npm) registry",
        "a package does not exist in the registry",
        "Correct its name or version in package.json and deploy again.",
    ),
    _sign(
        r"npm ci.{0,80}can only install|lock ?file.{0,60}(?:out of date|not up to date)",
        "the lock file does not fit package.json",
        "Run the install command on your side, and deploy with the new lock file.",
    ),
    _sign(
        r"Missing script:? ['\"]?NAME",
        "package.json has no script {0}",
        "Add that script, or set another command with UpdateProjectSettings; deploy again.",
    ),
    _sign(
        r"Nothing says how to run the app",
        "no file and no setting says how to run the app",
        "Set runCommand with UpdateProjectSettings, or add a start script; deploy again.",
    ),
    _sign(
        r"hasDockerfile or the runtime dockerfile is set",
        "the local platform builds without Docker",
        "Set hasDockerfile to false and a runtime with UpdateProjectSettings; deploy again.",
    ),
    _sign(
        r"EADDRINUSE|address already in use",
        "the port is taken, perhaps since the app listens twice",
        "Listen once, on the port in the variable PORT, and deploy again.",
    ),
    _sign(
        r"did not listen on any port|port.{0,40}(?:not open|health check)|health check.{0,40}fail",
        "nothing listens on the app's port",
        "Let the app listen on 0.0.0.0 and the port in the variable PORT; deploy again.",
    ),
    _sign(
        r"heap out of memory|OOMKilled|out of memory|MemoryError|exit(?:ed with)? code 137"
        r"|used more than its \d+ MB",
        "the memory was not enough",
        "Give it more with UpdateProjectEnvironmentResources (at most 1024 MB), or use less.",
    ),
    _sign(
        r"did not finish within \d+ minutes|build timed? ?out",
        "the build took longer than its limit of 15 minutes",
        "Build less, or build on your side and deploy the result.",
    ),
    _sign(
        r"(?:KeyError: ['\"]NAME|environment variable ['\"]?NAME)",
        "the variable {0} may be missing",
        "Set it with SetEnvironmentVariables and redeploy.",
    ),
    _sign(
        r"SyntaxError|IndentationError|error TS\d+|Failed to compile|Module parse failed",
        "the code does not compile",
        "Correct the place that the log names and deploy again.",
    ),
    _sign(
        r"(?:sh|bash): (?:\d+: |line \d+: )?NAME: (?:command )?not found",
        "the command {0} does not exist there",
        "Install it with installCommand, or use another command; deploy again.",
    ),
    _sign(
        r"ECONNREFUSED|connection refused|could not connect to server",
        "the app could not reach something that it needs, such as a database",
        "Check the address in its variables (SetEnvironmentVariables) and redeploy.",
    ),
    _sign(
        r"No such file or directory:? ['\"]?NAME|ENOENT[^\n]*?open ['\"]NAME",
        "the file {0} was not deployed",
        "Deploy it along, or correct its path.",
    ),
)
"""From the most telling to the vaguest; the first that is found counts."""

_BY_STATUS = {
    "build_error": Cause(
        reason="the build failed", next="Correct what the log shows and deploy again."
    ),
    "crashing": Cause(
        reason="the app ended as soon as it started",
        next="Correct what the log shows and deploy again.",
    ),
    "error": Cause(
        reason="the app did not come up",
        next="Let it listen on 0.0.0.0 and the port in the variable PORT; deploy again.",
    ),
    "cancelled": Cause(reason="it was cancelled", next="Deploy again when that is wanted."),
    "sleeping": Cause(
        reason="it sleeps, since nobody asked for it or a newer one took its place",
        next="Request its URL, or call WakeupDeployment.",
    ),
    "terminating": Cause(reason="it is being deleted", next="Deploy again when that is wanted."),
}
_UNKNOWN = Cause(reason="the log does not say", next="Read GetBuildLogs as a whole.")


def find_cause(status: str, log: str) -> Cause:
    """The likely cause of a deployment's state, from what its log shows."""
    for sign in LOG_PATTERNS:
        found = sign.pattern.search(log)
        if found:
            names = [_shorten_line(name) for name in found.groups() if name]
            return Cause(reason=sign.reason.format(*names, "?"), next=sign.next)
    return _BY_STATUS.get(status, _UNKNOWN)


def _shorten_line(name: str) -> str:
    """A path on the machine that built it says nothing but its end."""
    return (
        name.rpartition("/")[2][-_NAME_CHARACTERS:]
        if name.startswith("/")
        else name[:_NAME_CHARACTERS]
    )
