"""Causes: what most likely lies behind a log, and what to do about it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from createos_mcp.contract.reason_codes import ReasonCode

_VARIABLE = r"(?-i:[A-Z][A-Z0-9_]{2,})\b"
"""A word of a sentence is no variable: `the environment variable before ...`."""

_NAME = r"[\w./@-]{1,400}"
"""What a log may put into our own sentences: a name and nothing that reads like a sentence."""


_NAME_CHARACTERS = 80


@dataclass(frozen=True, kw_only=True, slots=True)
class Cause:
    """A likely reason and the next step."""

    reason: str
    next: str


_OUT_OF_MEMORY = Cause(
    reason="the memory was not enough",
    next="Give it more with UpdateProjectEnvironmentResources (at most 1024 MB), or use less.",
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
    ReasonCode.NO_START_COMMAND: Cause(
        reason="no file and no setting has a start command",
        next="Set runCommand with UpdateProjectSettings, or add a start script; deploy again.",
    ),
    ReasonCode.NEEDS_DOCKER: Cause(
        reason="the local platform builds without Docker",
        next="Set hasDockerfile to false and a runtime with UpdateProjectSettings; deploy again.",
    ),
    ReasonCode.FOLDER_MISSING: Cause(
        reason="the folder in directoryPath was not uploaded",
        next="Correct directoryPath with UpdateProjectSettings and deploy again.",
    ),
    ReasonCode.OUTPUT_MISSING: Cause(
        reason="the build left no folder to serve",
        next="Set buildDir with UpdateProjectSettings to the folder it writes; deploy again.",
    ),
    ReasonCode.RUNTIME_UNAVAILABLE: Cause(
        reason="the runtime is not available on this machine",
        next="Set another runtime with UpdateProjectSettings, or install it as the log says.",
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
    ReasonCode.PLATFORM_FAILED: Cause(
        reason="the platform itself failed",
        next="Deploy again; if it fails again, read `createos-mcp platform logs`.",
    ),
}
"""What the platform saw, where the log does not tell more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LogPattern:
    """What a log shows when there is such a cause; `{0}` is the first name that it holds."""

    pattern: re.Pattern[str]
    reason: str
    next: str


def _pattern(pattern: str, reason: str, next_step: str) -> LogPattern:
    named = pattern.replace("NAME", f"({_NAME})").replace("VARIABLE", f"({_VARIABLE})")
    compiled = re.compile(named, re.IGNORECASE)
    return LogPattern(pattern=compiled, reason=reason, next=next_step)


LOG_PATTERNS: Sequence[LogPattern] = (
    _pattern(
        r"EAI_AGAIN|getaddrinfo ENOTFOUND|Temporary failure in name resolution"
        r"|Could not resolve host|failed to lookup address|no such host",
        "a host name could not be resolved",
        "Check the name, and whether the platform's machine reaches the network; deploy again.",
    ),
    _pattern(
        r"ENOSPC|No space left on device",
        "the disk is full",
        "Free space on the platform's machine, or write less; deploy again.",
    ),
    _pattern(
        r"UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED_CERT|CERTIFICATE_VERIFY_FAILED"
        r"|certificate (?:has expired|verify failed|signed by unknown authority)",
        "a certificate was not accepted",
        "Correct the address or its certificate, or add the authority to the app; deploy again.",
    ),
    _pattern(
        r"gyp ERR! (?:find Python|build error)|Python\.h: No such file"
        r"|(?:command '?gcc'?|linker `cc`) (?:failed|not found)|pg_config executable not found",
        "a package has to be compiled, and tools or headers for that are missing",
        "Use a version with a ready-made build, such as psycopg[binary], and deploy again.",
    ),
    _pattern(
        r"ERESOLVE|unable to resolve dependency tree|Conflicting peer dependency"
        r"|ResolutionImpossible|No solution found when resolving dependencies",
        "the dependencies contradict each other",
        "Align their versions so that installing works on your side, and deploy again.",
    ),
    _pattern(
        r"requires a different Python|The engine \"node\" is incompatible"
        r"|requires (?:Node\.?js|Python) ?(?:version )?[><=^~ ]*\d",
        "the app needs another version of its language",
        "Set it in package.json (engines), .python-version or runtime, and deploy again.",
    ),
    _pattern(
        r"Cannot find (?:module|package) ['\"]?NAME",
        "the module {0} is missing",
        "Add it to dependencies in package.json, or correct its path, and deploy again.",
    ),
    _pattern(
        r"(?:ModuleNotFoundError|ImportError): No module named ['\"]?NAME",
        "the Python module {0} is not installed",
        "Add its package to requirements.txt and deploy again.",
    ),
    _pattern(
        r"No matching distribution found for NAME",
        "the package {0} does not exist in that version",
        "Correct it in requirements.txt and deploy again.",
    ),
    _pattern(
        r"(?:E404|404 Not Found)[^\n]*?registry|is not in (?:this|the npm) registry",
        "a package does not exist in the registry",
        "Correct its name or version in package.json and deploy again.",
    ),
    _pattern(
        r"npm ci.{0,80}can only install|lock ?file.{0,60}(?:out of date|not up to date)",
        "the lock file does not match package.json",
        "Run the install command on your side, and deploy with the new lock file.",
    ),
    _pattern(
        r"Missing script:? ['\"]?NAME",
        "package.json has no script {0}",
        "Add that script, or set another command with UpdateProjectSettings; deploy again.",
    ),
    _pattern(
        r"EADDRINUSE|address already in use",
        "the port is in use, perhaps because the app listens twice",
        "Listen once, on the port in the variable PORT, and deploy again.",
    ),
    _pattern(
        r"port.{0,40}(?:not open|health check)|health check.{0,40}fail",
        "nothing listens on the app's port",
        "Let the app listen on 0.0.0.0 and the port in the variable PORT; deploy again.",
    ),
    _pattern(
        r"heap out of memory|OOMKilled|out of memory|MemoryError|exit(?:ed with)? code 137",
        _OUT_OF_MEMORY.reason,
        _OUT_OF_MEMORY.next,
    ),
    _pattern(r"build timed? ?out", _BUILD_TIMED_OUT.reason, _BUILD_TIMED_OUT.next),
    _pattern(
        r"KeyError: \\?['\"]VARIABLE|environment variables?:? \\?['\"`]?VARIABLE"
        r"|VARIABLE\\?['\"`]? (?:environment variable )?"
        r"(?:is|was) (?:not set|not defined|missing|required)"
        r"|(?:missing|required|undefined) (?:environment |env )?variables?:? \\?['\"`]?VARIABLE",
        "the variable {0} may be missing",
        "Set it with SetEnvironmentVariables and redeploy.",
    ),
    _pattern(
        r"SyntaxError|IndentationError|error TS\d+|Failed to compile|Module parse failed",
        "the code does not compile",
        "Fix the error at the place in the log and deploy again.",
    ),
    _pattern(
        r"(?:sh|bash): (?:\d+: |line \d+: )?NAME: (?:command )?not found",
        "the command {0} was not found",
        "Install it with installCommand, or use another command; deploy again.",
    ),
    _pattern(
        r"ECONNREFUSED|connection refused|could not connect to server",
        "the app could not connect to something it needs, such as a database",
        "Check the address in its variables (SetEnvironmentVariables) and redeploy.",
    ),
    _pattern(
        r"No such file or directory:? ['\"]?NAME|ENOENT[^\n]*?open ['\"]NAME",
        "the file {0} was not deployed",
        "Deploy it too, or correct its path.",
    ),
)
"""From the most telling to the vaguest; the first that is found counts."""

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


def find_cause(status: str, reason_code: str, log: str) -> Cause:
    """The likely cause of a deployment's state.

    Args:
        status: Of the deployment.
        reason_code: A `ReasonCode`; empty where the platform gives none.
        log: The reason in words, and the end of the log.
    """
    if reason_code in _BY_CODE:
        return _BY_CODE[reason_code]
    for known in LOG_PATTERNS:
        found = known.pattern.search(log)
        if found:
            names = [_shorten_line(name) for name in found.groups() if name]
            return Cause(reason=known.reason.format(*names, "?"), next=known.next)
    return _AFTER_LOG.get(reason_code) or _BY_STATUS.get(status, _UNKNOWN)


def _shorten_line(name: str) -> str:
    """A path on the machine that built it says nothing but its end."""
    return (
        name.rpartition("/")[2][-_NAME_CHARACTERS:]
        if name.startswith("/")
        else name[:_NAME_CHARACTERS]
    )
