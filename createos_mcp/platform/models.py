"""The platform's records: what is stored and what runs; their states are in `states.py`."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from createos_mcp.contract.reason_codes import ReasonCode
from createos_mcp.contract.values import Json
from createos_mcp.platform.processes import ProcessId
from createos_mcp.platform.release_records import ImageRelease, Release
from createos_mcp.platform.states import (
    CronjobStatus,
    DeploymentStatus,
    DomainStatus,
    EnvironmentStatus,
    ProjectStatus,
    ProjectType,
)

LOOPBACKS: Mapping[socket.AddressFamily, str] = {
    socket.AF_INET: "127.0.0.1",
    socket.AF_INET6: "::1",
}

IMAGE_SOURCE = "image"
"""The source of a deployment that has no files; its settings name the image."""

GIT_SOURCE = "git"
"""The source of a deployment whose files are those of a commit."""

NO_ENVIRONMENT = "none"
"""The promotion of a deployment that no environment takes by itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """Why a deployment is in its state."""

    code: ReasonCode
    text: str
    """A sentence for people; nothing may depend on its words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """Who owns what. The first user is made at the platform's first start."""

    id: str
    name: str
    email: str
    created_at: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiKey:
    """A key as it is kept: its secret only as a hash."""

    id: str
    user_id: str
    name: str
    description: str | None
    expired_at: str | None
    revoked_at: str | None
    created_at: str
    updated_at: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """A named group of projects; the API calls it an app."""

    id: str
    user_id: str
    name: str
    description: str | None
    color: str
    """`#RRGGBB`."""
    created_at: str
    updated_at: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """A project and the settings that its next deployment is built with."""

    id: str
    user_id: str
    unique_name: str
    display_name: str
    description: str | None
    type: ProjectType
    status: ProjectStatus
    source: Mapping[str, Json]
    settings: Mapping[str, Json]
    """As in CreateProject: runtime, framework, port, commands, `buildVars`, `runEnvs`, flags."""
    enabled_security_scan: bool
    app_id: str | None
    created_at: str
    updated_at: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Transfer:
    """A change of a project's owner."""

    id: str
    project_id: str
    from_user_id: str
    to_user_id: str
    created_at: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """A place of a project that serves one deployment at one address."""

    id: str
    project_id: str
    unique_name: str
    display_name: str
    description: str | None
    branch: str | None
    """Branch that it takes; None for that which the repository calls its default."""
    is_preview: bool
    """Whether it was made for its branch, and goes with it."""
    is_stopped: bool
    """Whether no request starts its app: only a person, or another version, does."""
    status: EnvironmentStatus
    is_auto_promote_enabled: bool
    resources: Mapping[str, int]
    """`{"cpu": 200, "memory": 512, "replicas": 1}`: millicores, MB, count."""
    settings: Mapping[str, Json]
    """`{"runEnvs": {...}}`, laid over the project's; `port` too where images run."""
    deployment_id: str | None
    """Deployment that answers at the environment's address."""
    next_deployment_id: str | None
    """Deployment that shall answer there, until it does."""
    message: str | None
    """Why what was wanted last did not come about."""
    host: str
    """First label of the environment's host name: `production-my-app`."""
    port: int
    """Port of the environment's own address on 127.0.0.1."""
    created_at: str
    updated_at: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployment:
    """One build of a project and what became of it."""

    id: str
    project_id: str
    version: int
    """Counts up within the project, from 1."""
    status: DeploymentStatus
    reason: str | None
    """Why the deployment is in its state, in a sentence; set on every failure."""
    reason_code: str | None
    """The same for programs, a `ReasonCode`."""
    source: str
    """Kind of upload: `files`, `base64`, `zip`; `image`; or `git`, where `revision` is set."""
    revision: Mapping[str, str] | None
    """Commit that it was built from: `branch`, `sha`, `author`, `message`."""
    promote: str | None
    """The one environment that it goes to, or NO_ENVIRONMENT; None: those that take each."""
    settings: Mapping[str, Json]
    """The project's settings when the deployment was made."""
    live_at: str | None
    """When it was deployed for the first time."""
    release: Mapping[str, Json] | None
    """What `builder` made, as `Release` writes it; None until it is built."""
    port: int | None
    """Port of the deployment's own address on 127.0.0.1, while it is live."""
    created_at: str
    updated_at: str

    @property
    def is_worker(self) -> bool:
        """Whether it has no address; known once it is built."""
        return bool((self.release or {}).get("worker"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Domain:
    """A custom host name of a project."""

    id: str
    project_id: str
    environment_id: str | None
    """Environment that answers at the name once it is active."""
    name: str
    """As DNS has it: lower case, `xn--` labels, no dot at the end."""
    status: DomainStatus
    token: str
    """What the domain's TXT record has to hold."""
    message: str | None
    """What the last check found, or what is to be done first."""
    failed_verification_count: int
    last_failed_verified_at: str | None
    created_at: str
    updated_at: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Cronjob:
    """A request that an environment gets again and again."""

    id: str
    project_id: str
    environment_id: str
    environment_port: int
    name: str
    schedule: str
    """Cron expression in UTC, `*/5 * * * *`; with six fields the first counts seconds."""
    status: CronjobStatus
    settings: Mapping[str, Json]
    """`{"path": "/tick", "method": "POST", "headers": {...}, "body": "", "timeoutInSeconds": 5}`"""
    suspended_at: str | None
    over_at: str
    """No moment up to this one is run any more: the last that was due, or the job's own change."""
    created_at: str
    updated_at: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Activity:
    """One moment at which a cron job was due."""

    id: str
    cronjob_id: str
    scheduled_at: str
    success: bool | None
    """None while the run is under way."""
    status_code: int | None
    log: str | None
    """The beginning of the answer, or why there is none."""
    created_at: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LogLine:
    """One line of a build log."""

    deployment_id: str
    line_number: int
    stage: str
    """`prepare`, `toolchain`, `install`, `build`, `release`, `deploy`."""
    log: str
    ts: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildJob:
    """All that the builder needs to turn uploaded files into a release."""

    deployment_id: str
    project_id: str
    source_dir: Path
    """Uploaded files, read-only to the builder."""
    release_dir: Path
    """Where the release is written; owned by this job alone."""
    settings: Mapping[str, Json]
    owner_id: str = ""
    """The user whose project it is; what engines keep of builds is shared with no other."""
    uid: int | None = None
    """The kernel's user of the project, where each project has one."""
    timeout_s: float = 15 * 60


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplicaSet:
    """What shall run of one deployment at one route, with the variables it was started with."""

    id: str
    deployment_id: str
    environment_id: str | None
    """None for a deployment that runs at its own address alone."""
    run_envs: Mapping[str, str] = field(repr=False)
    port: int
    """Port that the app is asked to listen on."""
    resources: Mapping[str, int]
    """`{"cpu": 200, "memory": 512, "replicas": 1}`."""

    @property
    def route_id(self) -> str:
        """Owner of the address at which it answers: its environment, or its deployment."""
        return self.environment_id or self.deployment_id

    @property
    def count(self) -> int:
        """How many replicas there shall be."""
        return self.resources["replicas"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Replica:
    """One replica as it is stored; without an instance it was being started."""

    id: str
    set_id: str
    number: int
    """Counts from 1 within the set."""
    instance: Mapping[str, Json] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """How an app finds a service: a port of its own loopback that leads to a Unix socket."""

    port: int
    socket: Path
    certificate: Path | None = None
    """Key and certificate, for clients that ask for TLS; None where the service speaks first."""
    handover: Path | None = None
    """Where connections are passed to the service itself; None where it takes none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mount:
    """A directory or file of the machine that an app sees at another place."""

    source: Path
    place: Path
    writable: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class LaunchSpec:
    """A release and the conditions that one replica of it runs under."""

    replica_id: str
    deployment_id: str
    release: Release | ImageRelease
    run_envs: Mapping[str, str] = field(repr=False)
    """The user's variables."""
    port: int
    """Port that the app is asked to listen on, in PORT; it may choose another."""
    memory_mb: int
    cpu_millicores: int
    log_file: Path
    uid: int | None = None
    """The kernel's user of the project, where each project has one."""
    health_path: str | None = None
    """What has to answer without an error before requests go there; None for the port alone."""
    start_timeout_s: float | None = None
    """How long it may take to answer; None for the platform's own limit."""
    environment_id: str | None = None
    """Where it runs; None at the deployment's own address."""
    ways: tuple[Way, ...] = ()
    """Services that it reaches."""
    mounts: tuple[Mount, ...] = ()
    """What it sees besides its own files."""
    outlet: Path | None = None
    """A socket of the machine that leads to its port; for a service in a container."""
    is_service: bool = False
    """Whether it is a database or cache: it has no way out, and may share memory."""
    handover: Path | None = None
    """Where connections are passed that it accepts on its port as its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Instance:
    """A running replica: enough to reach it, stop it, and find it again after a restart."""

    replica_id: str
    process: ProcessId
    """The launcher, leader of the app's session, or the first process of a container."""
    run_dir: Path
    """Holds the launcher's socket and, once the app ended, its exit code."""
    port: int
    """Port that the app really listens on, inside its own network when it has one."""
    isolation: str
    """`bubblewrap`, `landlock`, `container` or `none`."""
    limits: str
    """`cgroup`, `watched`, or `none` where a rootless engine has no control groups."""
    container_id: str = ""
    """Of an engine; empty where a launcher runs the app."""
    started_at: str = ""
    """As the engine tells it: a container that was started again is another instance."""
    service_id: str = ""
    """Of a swarm, whose task runs the container; empty on one machine."""
    address: str = ""
    """Where it is reached in its network; empty for that network's loopback."""
    network: str = ""
    """The one of a swarm that it is reached in."""
    node: str = ""
    """The machine of a swarm that it runs on."""

    @property
    def is_contained(self) -> bool:
        """Whether an engine runs it, and no launcher."""
        return bool(self.container_id or self.service_id)

    @property
    def hosts(self) -> Mapping[socket.AddressFamily, str]:
        """What to connect to in its network, by the family of the socket."""
        return {socket.AF_INET: self.address} if self.address else LOOPBACKS
