"""States of projects, deployments, environments, domains and cron jobs, and their legal changes."""

from collections.abc import Mapping
from enum import StrEnum


class ScanStatus(StrEnum):
    """How far a security scan is."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    SUCCESS = "success"
    FAILED = "failed"


class ServiceStatus(StrEnum):
    """How a database or cache is."""

    STARTING = "starting"
    RUNNING = "running"
    READ_ONLY = "read_only"
    SLEEPING = "sleeping"
    FAILED = "failed"


class TemplateStatus(StrEnum):
    """How far a template is on its way to being offered."""

    DRAFT = "draft"
    UNDER_REVIEW = "underReview"
    PUBLISHING = "publishing"
    LISTED = "listed"
    REJECTED = "rejected"
    DELETED = "deleted"


class ProjectType(StrEnum):
    """Where a project's code comes from."""

    VCS = "vcs"
    IMAGE = "image"
    UPLOAD = "upload"


class ProjectStatus(StrEnum):
    """A project is deleted in the background: `deleting` rows are finished after a restart."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    """Nothing of it runs, and nothing starts."""
    DELETING = "deleting"


class DeploymentStatus(StrEnum):
    """States of a deployment, spelled as on the wire."""

    QUEUE = "queue"
    BUILDING = "building"
    DEPLOYING = "deploying"
    DEPLOYED = "deployed"
    SLEEPING = "sleeping"
    BUILD_ERROR = "build_error"
    CRASHING = "crashing"
    ERROR = "error"
    CANCELLED = "cancelled"
    TERMINATING = "terminating"


_S = DeploymentStatus

TRANSITIONS: Mapping[DeploymentStatus, frozenset[DeploymentStatus]] = {
    _S.QUEUE: frozenset({_S.BUILDING, _S.CANCELLED, _S.TERMINATING}),
    _S.BUILDING: frozenset({_S.DEPLOYING, _S.BUILD_ERROR, _S.CANCELLED, _S.TERMINATING}),
    _S.DEPLOYING: frozenset({_S.DEPLOYED, _S.CRASHING, _S.ERROR, _S.SLEEPING, _S.TERMINATING}),
    _S.DEPLOYED: frozenset({_S.SLEEPING, _S.DEPLOYING, _S.CRASHING, _S.ERROR, _S.TERMINATING}),
    _S.SLEEPING: frozenset({_S.DEPLOYING, _S.TERMINATING}),
    _S.CRASHING: frozenset({_S.DEPLOYING, _S.DEPLOYED, _S.ERROR, _S.SLEEPING, _S.TERMINATING}),
    _S.BUILD_ERROR: frozenset({_S.TERMINATING}),
    _S.ERROR: frozenset({_S.DEPLOYING, _S.TERMINATING}),
    _S.CANCELLED: frozenset({_S.TERMINATING}),
    _S.TERMINATING: frozenset(),
}
"""Every legal change of a deployment's state; the store refuses all others."""

UNFINISHED = frozenset({_S.QUEUE, _S.BUILDING, _S.DEPLOYING})
"""States that a deployment leaves by itself."""

LIVE = frozenset({_S.DEPLOYED, _S.CRASHING})
"""States in which replicas belong to the deployment."""

ASSIGNABLE = frozenset({_S.DEPLOYED, _S.DEPLOYING, _S.CRASHING, _S.SLEEPING})
"""States in which a deployment may be given to an environment."""


class EnvironmentStatus(StrEnum):
    """What an environment is busy with; spelled as on the wire."""

    ACTIVE = "active"
    PROMOTING = "promoting"
    RESIZING = "resizing"
    DELETING = "deleting"


class DomainStatus(StrEnum):
    """A domain is `active` once its DNS leads here; no certificate is issued in between."""

    PENDING = "pending"
    ACTIVE = "active"


class CronjobStatus(StrEnum):
    """Whether a cron job runs at its moments."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
