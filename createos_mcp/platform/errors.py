"""What the platform refuses, and what goes wrong while an app is built and started.

* PlatformError
  x Refusal                     becomes a failure answer of the API, with its status
    + InvalidRequestError       400
    + UserNameError             400
    + UnauthorizedError         401
    + TransferTokenError        401
    + ForbiddenError            403
      - UnconfinedError
    + NotFoundError             404
    + NameTakenError            409
    + TooLargeError             413
    + ReservedNameError         422
    + WrongStateError           422
    + DomainTakenError          422
    + ProjectFullError          422
    + LimitReachedError         429
    + GitHubError               422
    + ServiceFailedError        422
    + StorageError              500
    + EngineMissingError        422
  x EngineRefusedError          a container engine said no
  x EngineAwayError             a container engine does not answer
  x RegistryNameError           a registry of images is no host name
  x GitFailedError              git did not do what it was asked
  x ArchiveError                a backup of the platform cannot be written or opened
  x StartupError                the platform itself cannot start
  x IllegalTransitionError      a change of state that the table does not allow: a fault of ours
  x BuildFailedError            ends a deployment in `build_error`
  x StartFailedError            ends a deployment in `error` or `crashing`
    - AppExitedError
      . AppOutOfMemoryError
    - AppNeverListenedError
    - AppUnhealthyError
  x InstanceUnreachableError    no connection to an app: nothing was sent to it
  x AnswerLostError             the connection to an app ended before its answer did
"""

from pathlib import Path
from typing import ClassVar

from createos_mcp.contract.reason_codes import ReasonCode


class PlatformError(Exception):
    """Base of every error that the platform raises on purpose."""


class Refusal(PlatformError):  # noqa: N818 - the API's word for a failed call that is nobody's bug
    """The API does not do what was asked; the sentence tells the caller why."""

    status: ClassVar[int] = 500


class InvalidRequestError(Refusal):
    """The request does not fit the operation's schema or the project."""

    status = 400


class UnauthorizedError(Refusal):
    """No key came, or one that is unknown, revoked or expired."""

    status = 401

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}. Send a valid API key in the X-Api-Key header.")


class TokenError(Exception):
    """A token was not signed here, or has expired; the text completes `The token ...`."""


class TransferTokenError(Refusal):
    """A transfer token was not made here, is over, or was used."""

    status = 401

    def __init__(self, reason: str) -> None:
        super().__init__(f"The transfer token {reason}. Ask the project's owner for a new one.")


class ForbiddenError(Refusal):
    """The caller is known, and this is not theirs to do."""

    status = 403


class UnconfinedError(ForbiddenError):
    """Nothing on this machine confines what is deployed, and its owner alone trusts it."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"Only the owner of this machine may deploy: {reason}. Ask for bubblewrap to be "
            "installed, and for user namespaces to be allowed; then restart the platform."
        )


class NotFoundError(Refusal):
    """Nothing of the caller's has that id."""

    status = 404

    def __init__(self, resource: str, resource_id: str) -> None:
        super().__init__(f"No {resource} with the ID {resource_id!r}.")


class NameTakenError(Refusal):
    """A name that must be unique is in use."""

    status = 409

    def __init__(self, resource: str, name: str) -> None:
        super().__init__(f"The {resource} name {name!r} is taken. Choose another.")


class ReservedNameError(Refusal):
    """A name whose host name is kept for something else."""

    status = 422

    def __init__(self, field: str, name: str) -> None:
        super().__init__(
            f"{field}: {name!r} makes a host name that is kept for deployments or the dashboard. "
            "Choose another."
        )


class TooLargeError(Refusal):
    """The request's body is larger than the platform reads."""

    status = 413

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The body is larger than {limit_bytes // 2**20} MB.")


class WrongStateError(Refusal):
    """The resource's type or state does not allow the action."""

    status = 422


class DomainTakenError(Refusal):
    """A domain leads to one project of the platform."""

    status = 422

    def __init__(self, name: str) -> None:
        super().__init__(
            f"name: the domain {name!r} already exists on this platform. "
            "Choose another, or delete the existing one."
        )


class ProjectFullError(Refusal):
    """A project has as many of something as it may have."""

    status = 422

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"A project can have {limit} {what}. Delete one that is not needed.")


class LimitReachedError(Refusal):
    """A count limit is reached."""

    status = 429

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"The limit of {limit} {what} is reached. Delete what is not needed.")


class StorageError(Refusal):
    """The disk does not take what must be kept; nothing of the request was."""

    status = 500

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path} cannot be written: {reason}. Nothing was changed. "
            "Free some space there or make it writable, then retry."
        )


INSTALL_DOCKER = "Install Docker (on Debian: apt-get install docker.io) and start it"


class EngineMissingError(Refusal):
    """Images were asked for, and no container engine answers."""

    status = 422

    def __init__(
        self, reason: str, remedy: str = INSTALL_DOCKER, *, instead: str = "deploy files instead"
    ) -> None:
        super().__init__(
            f"Images need a container engine on this machine: {reason}. {remedy}, or {instead}."
        )
        self.reason, self.remedy = reason, remedy


class SwarmMissingError(EngineMissingError):
    """Apps are to run on a swarm, and this machine manages none."""

    def __init__(self, reason: str, remedy: str) -> None:
        Refusal.__init__(
            self,
            f"Apps run on a swarm that this machine manages: {reason}. {remedy}, "
            "or set CREATEOS_PLATFORM_ENGINE to auto.",
        )


class EngineRefusedError(PlatformError):
    """A container engine answered with a failure."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class EngineAwayError(PlatformError):
    """No container engine answers; that says nothing of the containers it has started."""

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(f"the container engine at {host} does not answer ({reason})")


class ImageNotScannedError(PlatformError):
    """An image cannot be looked at here; the sentence says why, and what would help."""


class UserNameError(Refusal):
    """A user's name is of a form that is not allowed."""

    status = 400

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Invalid user name {name!r}: use 1-48 letters, digits, dots, underscores or hyphens."
        )


class RegistryNameError(PlatformError):
    """A registry is not written as a host name."""

    def __init__(self, registry: str) -> None:
        super().__init__(
            f"{registry!r} is not the host name of a registry; write ghcr.io, docker.io or "
            "registry.example.com:5000"
        )


class GitHubError(Refusal):
    """GitHub refused, or does not answer."""

    status = 422

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"GitHub could not be asked: {reason}.")
        self.answered = status


class ServiceFailedError(Refusal):
    """A database or cache does not do what it was asked."""

    status = 422

    def __init__(self, name: str, verb: str, reason: str) -> None:
        super().__init__(f"The service {name!r} failed at {verb}: {reason}.")


class GitFailedError(PlatformError):
    """A git command failed; the text is what git said of it."""


class ArchiveError(PlatformError):
    """A backup of the whole platform cannot be written or opened."""


class StartupError(PlatformError):
    """The platform itself did not come up."""

    def __init__(self, reason: str, details: str = "") -> None:
        super().__init__(f"{reason}: {details}" if details else reason)


class IllegalTransitionError(PlatformError):
    """A deployment was to take a state that does not follow from its present one."""

    def __init__(self, deployment_id: str, present: str, wanted: str) -> None:
        super().__init__(f"Deployment {deployment_id} is {present} and cannot become {wanted}")
        self.present = present


class BuildFailedError(PlatformError):
    """The build ended without a release; the sentence is the deployment's reason."""

    def __init__(self, code: ReasonCode, text: str) -> None:
        super().__init__(text)
        self.code = code


class StartFailedError(PlatformError):
    """The app was started and does not serve; the sentence is the deployment's reason."""

    code = ReasonCode.START_FAILED


class AppExitedError(StartFailedError):
    """The app exited before it listened on its port, or a worker before it was called steady."""

    code = ReasonCode.APP_EXITED

    def __init__(self, exit_code: int, when: str = "before it listened on its port") -> None:
        super().__init__(f"The app exited with code {exit_code} {when}")
        self.exit_code = exit_code


class AppOutOfMemoryError(AppExitedError):
    """The app was killed before it listened on its port, because its memory was used up."""

    code = ReasonCode.OUT_OF_MEMORY


class ReleaseCommandError(StartFailedError):
    """The command that runs before a version takes over failed, or took too long."""

    code = ReasonCode.RELEASE_FAILED

    def __init__(self, command: str, problem: str) -> None:
        super().__init__(f"The release command {problem}: {command}")


class AppNeverListenedError(StartFailedError):
    """The app runs, and listened on no port in time."""

    code = ReasonCode.PORT_NOT_OPEN

    def __init__(self, port: int, waited_s: float) -> None:
        super().__init__(
            f"The app did not listen on any port within {waited_s:g} s (PORT is {port})"
        )


class AppUnhealthyError(StartFailedError):
    """The app listens, and its health path did not answer without an error in time."""

    code = ReasonCode.UNHEALTHY

    def __init__(self, path: str, seen: str, waited_s: float) -> None:
        super().__init__(
            f"The app's health path {path} {seen} for {waited_s:g} s; it has to answer with a "
            "status below 400"
        )


class InstanceUnreachableError(PlatformError):
    """An app has ended or does not listen any more; another instance may take the request."""

    def __init__(self) -> None:
        super().__init__("The app does not accept connections. See its log.")


class AnswerLostError(PlatformError):
    """An app ended its connection before its answer was over.

    Args:
        on_kept_connection: Whether the connection had carried a request before: then the app may
            have closed it for its age, and answer on a new one.
    """

    def __init__(self, *, on_kept_connection: bool) -> None:
        super().__init__("The app closed the connection before it responded. See its log.")
        self.on_kept_connection = on_kept_connection
