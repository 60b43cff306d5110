"""What can go wrong on the MCP side; each class composes its own sentence.

What refuses an HTTP request is in `remote/errors.py`.

* CreateosError
  x SettingError
    + SelectionError
  x CatalogError
  x UserRefusedError
  x UnknownLogError
  x ConfigTextError
  x ConfigFileError
  x UnknownClientError
  x KeyNameError
  x ArgumentTextError
  x ToolRefusedError
  x ConfirmationNeededError
  x RootsNeededError
  x InternalError
  x CallError
    + InvalidArgumentsError
    + UnresolvedNameError
    + DeclinedError
    + UnconfirmedError
    + KeyFileError
    + KeyUnfilledError
    + LocalReadError
    + NoEarlierDeploymentError
    + SwitchFailedError
    + ApiError
    + BackendError
      - ConnectionFailedError
      - ConnectionLostError
      - TimedOutError
      - UnreadableResponseError
      - ResponseTooLargeError
      - PlatformNotStartedError
      - NoPlatformHereError
"""

from collections.abc import Mapping, Sequence

from createos_mcp.contract.operations import Problem, Question
from createos_mcp.contract.quotation import quote
from createos_mcp.contract.values import Json

MESSAGE_FIELDS = 20
"""How many fields of a failure one error names."""


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


class UserRefusedError(CreateosError):
    """The local platform's users cannot be shown or changed as asked."""


class ConfigTextError(CreateosError):
    """A text is not what its format demands."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(f"line {line}: {reason}")
        self.reason = reason
        self.line = line


class ConfigFileError(CreateosError):
    """A configuration file of a client cannot be used; it was left as it is."""

    def __init__(self, file: str, reason: str, line: int | None = None) -> None:
        place = f"{file}:{line}" if line else file
        super().__init__(f"{place}: {quote(reason)}")
        self.file = file
        self.line = line


class UnknownClientError(CreateosError):
    """No client has that name, or it has no configuration of the kind that is asked for."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"There is no client {quote(name)!r}; known: {', '.join(known)}")


class KeyNameError(CreateosError):
    """What should name a variable does not; it may be a key itself and is never shown."""

    def __init__(self) -> None:
        super().__init__(
            "--with-key: give the name of the variable that holds the key, "
            "such as CREATEOS_API_KEY, and not the key"
        )


class ArgumentTextError(CreateosError):
    """An argument of a call made by hand cannot be read."""

    def __init__(self, argument: str, reason: str) -> None:
        super().__init__(f"{quote(argument, limit_bytes=100)}: {reason}")


class UnknownLogError(CreateosError):
    """No log is kept of the app or deployment that is asked for."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        available = f" Available: {', '.join(known)}." if known else ""
        super().__init__(f"No logs for {quote(name)!r}.{available}")


class ToolRefusedError(CreateosError):
    """The server does not offer the tool that is called by hand."""


class SelectionError(SettingError):
    """A caller asks for tools that do not exist or that the operator does not offer."""


class CallError(CreateosError):
    """A call failed in a way that the model can act on; it becomes a tool result."""

    remedy = "Retrying is safe; call again in a moment."
    """The one next step, as far as it does not depend on the tool that was called."""


class InvalidArgumentsError(CallError):
    """The arguments do not fit the tool's schema."""

    remedy = "Nothing was sent; correct these arguments and call again."

    def __init__(self, problems: Sequence[Problem]) -> None:
        lines = (f"- {p.path}: {p.message}" if p.path else f"- {p.message}" for p in problems)
        super().__init__("Invalid arguments:\n" + "\n".join(lines))
        self.problems = tuple(problems)


class UnresolvedNameError(CallError):
    """A name given instead of an ID stands for nothing, or for several things.

    Attributes:
        argument: That holds the name.
        candidates: Names that exist.
    """

    def __init__(
        self, argument: str, value: str, resource: str, candidates: Sequence[str], *, found: int
    ) -> None:
        article = "an" if resource[0] in "aeiou" else "a"
        problem = (
            f"{value!r} matches {found} {resource}s"
            if found
            else f"no {resource} has the name or ID {value!r}"
        )
        listed = (
            f"Candidates: {', '.join(candidates)}."
            if candidates
            else (f"You do not have {article} {resource} yet.")
        )
        super().__init__(f"{argument}: {problem}. {listed}")
        self.argument = argument
        self.candidates = tuple(candidates)
        self.remedy = (
            "Nothing was sent; use one of the candidates or an ID, or create it first."
            if candidates
            else f"Nothing was sent; create {article} {resource} first."
        )


class DeclinedError(CallError):
    """The user was asked and did not allow the call."""

    remedy = "Nothing was changed. Do not retry unless the user asks for it."

    def __init__(self, operation: str, action: str, typed: str) -> None:
        answers = {
            "decline": "the user declined",
            "cancel": "the user closed the question without answering",
            "accept": "the name was not typed correctly" if typed else "the box was not checked",
        }
        super().__init__(f"{operation} was not performed: {answers.get(action, action)}")


class UnconfirmedError(CallError):
    """The user has to confirm the call, and this client cannot ask."""

    remedy = (
        "Let the user do it in the dashboard or with a client that supports elicitation. The "
        "operator of this server can allow it without asking with CREATEOS_CONFIRM=proceed."
    )

    def __init__(self, operation: str, code: str | None = None, place: str = "") -> None:
        super().__init__(
            f"{operation} has to be confirmed by the user, and this client cannot ask (it does not "
            "support elicitation). Nothing was changed"
        )
        if code is not None:
            self.remedy = (
                f"Let the user run `createos-mcp confirm {code}` in a terminal{place} within 10 "
                "minutes, then make exactly the same call again. No argument confirms it."
            )


class ConfirmationNeededError(CreateosError):
    """The client has to put a question to the user and call again; not a failure."""

    def __init__(self, question: Question, state: str) -> None:
        super().__init__(question.text)
        self.question = question
        self.state = state


class RootsNeededError(CreateosError):
    """The client has to list its roots and call again; not a failure."""


class LocalReadError(CallError):
    """Something of this machine that an argument names cannot or may not be read."""

    remedy = "Nothing was sent; correct that argument and call again."

    def __init__(self, argument: str, reason: str) -> None:
        super().__init__(f"{argument}: {reason}")
        self.argument = argument


class NoEarlierDeploymentError(CallError):
    """An environment has no deployment to go back to."""

    remedy = "Deploy a version that works, or name one with deployment_id."

    def __init__(self, environment: str) -> None:
        super().__init__(
            f"{environment} has no good deployment before its current one; nothing was changed"
        )


class SwitchFailedError(CallError):
    """An environment did not switch to the deployment that it was given."""

    remedy = "The previous deployment still serves; the logs of the new one say why."

    def __init__(self, environment: str, reason: str) -> None:
        super().__init__(f"{environment} did not switch to the deployment: {quote(reason)}")


class InternalError(CreateosError):
    """An error in this package itself; its log has the details."""

    def __init__(self, tool: str) -> None:
        super().__init__(f"{tool}: internal error in createos-mcp")


class KeyFileError(CallError):
    """A new secret has no file to go to, so it was not created."""

    remedy = "Nothing was sent; make that directory writable for this user, then call again."

    def __init__(self, directory: str, reason: str) -> None:
        super().__init__(f"The file for the new secret cannot be created in {directory}: {reason}")
        self.directory = directory


class KeyUnfilledError(CallError):
    """The key that calls should be made with is empty or an unfilled placeholder."""

    def __init__(self, variable: str) -> None:
        super().__init__(
            f"{variable} is set, but it is empty or a placeholder that was not filled in"
        )
        self.remedy = (
            f"Set {variable} in the environment in which your MCP client is "
            "started, or in the `env` of createos in the client's configuration, then restart "
            f"the client. To use the platform on this machine instead, remove {variable}."
        )


class ApiError(CallError):
    """The platform answered, and the answer is a failure.

    Attributes:
        message: What the platform says, as `quote` returns it.
        fields: What it says about single fields, `{"uniqueName": "is taken"}`.
        retry_after_s: How long the platform asks to wait.
        body: The answer as it was read; it may hold secrets and is never shown.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        retry_after_s: float | None = None,
        fields: Mapping[str, str] | None = None,
        body: Json = None,
    ) -> None:
        shown = quote(message)
        super().__init__(f"HTTP {status}: {shown}" if shown else f"HTTP {status}")
        self.status = status
        self.message = shown
        self.retry_after_s = retry_after_s
        self.body = body
        pairs = list((fields or {}).items())[:MESSAGE_FIELDS]
        self.fields = {
            quote(name, limit_bytes=100): quote(text, limit_bytes=200) for name, text in pairs
        }


class BackendError(CallError):
    """The platform gave no usable response."""

    sent = True
    """Whether the platform may have received the request, and acted on it."""


class ConnectionFailedError(BackendError):
    """No connection to the platform could be made; the request was never sent."""

    sent = False
    remedy = "Nothing was sent; check the network and CREATEOS_API_URL, then call again."

    def __init__(self, base_url: str, reason: str) -> None:
        super().__init__(f"Could not connect to {base_url}: {quote(reason)}")


class ConnectionLostError(BackendError):
    """The connection broke before the response was complete."""

    def __init__(self, base_url: str, reason: str) -> None:
        super().__init__(f"The connection to {base_url} broke: {quote(reason)}")


class TimedOutError(BackendError):
    """The platform took longer than the limit."""

    def __init__(self, phase: str, limit_s: float, *, sent: bool = True) -> None:
        super().__init__(f"The platform timed out ({phase}) after {limit_s:g} s")
        self.phase = phase
        self.sent = sent


class UnreadableResponseError(BackendError):
    """The response is in no form that the API documents."""

    remedy = "Check that CREATEOS_API_URL is the address of a CreateOS API, then call again."

    def __init__(self, status: int | None, reason: str) -> None:
        origin = f"The response (HTTP {status})" if status else "The response"
        super().__init__(f"{origin} cannot be read: {quote(reason)}")
        self.status = status


class ResponseTooLargeError(BackendError):
    """The response is larger than the limit that protects this process."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The response is larger than {limit_bytes} bytes")


class PlatformNotStartedError(BackendError):
    """The local platform could not be started on demand."""

    sent = False
    remedy = "Nothing was sent; read that log, or set CREATEOS_API_KEY to use the cloud instead."

    def __init__(self, reason: str, log_file: str) -> None:
        super().__init__(f"The local platform did not start: {reason}. Its log is {log_file}")


class NoPlatformHereError(BackendError):
    """The local platform does not run on this kind of machine."""

    sent = False
    remedy = "Nothing was sent; set CREATEOS_API_KEY to use the cloud instead."

    def __init__(self, system: str) -> None:
        super().__init__(f"The local platform runs on Linux, and this is {system}")
