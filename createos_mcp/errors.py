"""What can go wrong on the MCP side; each class composes its own sentence.

* CreateosError
  x SettingError
  x CatalogError
  x CallError
    + InvalidArgumentsError
    + UnresolvedNameError
    + ApiError
    + BackendError
      - ConnectionFailedError
      - TimedOutError
      - UnreadableAnswerError
      - AnswerTooLargeError
      - PlatformNotStartedError
"""

from collections.abc import Sequence

from createos_mcp.operations import Problem


class CreateosError(Exception):
    """Base of every error that this package raises on purpose."""


class SettingError(CreateosError):
    """A variable or flag holds a value that cannot be used."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name


class CatalogError(CreateosError):
    """A file of `tool_schemas/` cannot be used."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"{file}: {reason}")
        self.file = file
        self.reason = reason


class CallError(CreateosError):
    """A call failed in a way that the model can act on; it becomes a tool result."""


class InvalidArgumentsError(CallError):
    """The arguments do not fit the tool's schema."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        lines = (f"- {p.path}: {p.message}" if p.path else f"- {p.message}" for p in problems)
        super().__init__("Invalid arguments:\n" + "\n".join(lines))
        self.problems = tuple(problems)


class UnresolvedNameError(CallError):
    """A name given in place of an id stands for nothing, or for several things."""

    def __init__(
        self, argument: str, value: str, resource: str, candidates: Sequence[str], *, found: int
    ) -> None:
        listed = ", ".join(candidates) if candidates else "none exist yet"
        matches = f"{found} of them match" if found else "nothing has that name or id"
        super().__init__(
            f"{argument}: {value!r} is not one {resource}: {matches}. Candidates: {listed}."
        )
        self.argument = argument
        self.candidates = tuple(candidates)


class ApiError(CallError):
    """The platform answered, and the answer is a failure."""

    def __init__(self, status: int, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(f"HTTP {status}: {message}" if message else f"HTTP {status}")
        self.status = status
        self.message = message
        self.retry_after_s = retry_after_s


class BackendError(CallError):
    """The platform gave no usable answer."""


class ConnectionFailedError(BackendError):
    """No connection to the platform could be made; the request was never sent."""

    def __init__(self, base_url: str, reason: str) -> None:
        super().__init__(f"No connection to {base_url}: {reason}")


class TimedOutError(BackendError):
    """The platform took longer than the limit."""

    def __init__(self, phase: str, limit_s: float) -> None:
        super().__init__(f"The platform did not finish ({phase}) within {limit_s:g} s")
        self.phase = phase


class UnreadableAnswerError(BackendError):
    """The answer broke off or is in no form that the API documents."""

    def __init__(self, status: int | None, reason: str) -> None:
        origin = f"The answer (HTTP {status})" if status else "The answer"
        super().__init__(f"{origin} cannot be read: {reason}")
        self.status = status


class AnswerTooLargeError(BackendError):
    """The answer is larger than the limit that protects this process."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The answer is larger than {limit_bytes} bytes")


class PlatformNotStartedError(BackendError):
    """The local platform could not be started on demand."""

    def __init__(self, reason: str, log_file: str) -> None:
        super().__init__(f"The local platform did not start: {reason}. Its log is {log_file}")
