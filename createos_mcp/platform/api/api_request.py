"""What a handler is given, and the questions that every handler asks."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

from anyio import to_thread

from createos_mcp.contract.known_secrets import KnownSecrets
from createos_mcp.contract.operations import Operation
from createos_mcp.contract.values import Arguments, Json
from createos_mcp.platform.api.downloads import Downloads
from createos_mcp.platform.background import Background
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.copies import DatabaseCopy
from createos_mcp.platform.cron.scheduler import Scheduler
from createos_mcp.platform.deploy.deployer import Deployer
from createos_mcp.platform.deploy.github_accounts import GitHubAccounts
from createos_mcp.platform.deploy.mirrors import Mirrors
from createos_mcp.platform.deploy.pushes import Pushes
from createos_mcp.platform.deploy.reconciler import EnvironmentReconciler
from createos_mcp.platform.deploy.repository_host import RepositoryHost
from createos_mcp.platform.deploy.scanner import Scanner
from createos_mcp.platform.deploy.suspension import Suspension
from createos_mcp.platform.deploy.template_files import TemplateFiles
from createos_mcp.platform.domains.dns_checks import DnsCheck
from createos_mcp.platform.engines.docker_api import DockerApi
from createos_mcp.platform.errors import NotFoundError, WrongStateError
from createos_mcp.platform.gateway.addresses import Addresses
from createos_mcp.platform.gateway.domain_routing import DomainRouting
from createos_mcp.platform.gateway.traffic import Traffic
from createos_mcp.platform.models import Deployment, Environment, Project, User
from createos_mcp.platform.run.commands import AppCommands
from createos_mcp.platform.run.project_users import SUSPENDED, ProjectUsers
from createos_mcp.platform.run.supervisor import Supervisor
from createos_mcp.platform.run.usage import UsageMeter
from createos_mcp.platform.sandbox.app_logs import last_moment, tail
from createos_mcp.platform.services.service_parts import ServiceParts
from createos_mcp.platform.states import ProjectStatus
from createos_mcp.platform.store.store import Store
from createos_mcp.platform.store.transfer_tokens import TransferTokens


@dataclass(frozen=True, kw_only=True, slots=True)
class Services:
    """The parts of the platform that handlers use."""

    store: Store
    deployer: Deployer
    addresses: Addresses
    reconciler: EnvironmentReconciler
    supervisor: Supervisor
    suspension: Suspension
    downloads: Downloads
    docker: DockerApi
    pushes: Pushes
    mirrors: Mirrors
    github_accounts: GitHubAccounts
    background: Background
    repositories: RepositoryHost
    template_files: TemplateFiles
    scanner: Scanner
    scheduler: Scheduler
    managed: ServiceParts
    commands: AppCommands
    usage: UsageMeter
    transfer_tokens: TransferTokens
    traffic: Traffic
    config: PlatformConfig
    now: Callable[[], datetime]
    users: ProjectUsers
    gaps: Mapping[str, str]
    """Measures of isolation that do not hold on this machine, and why."""
    dns: DnsCheck
    routing: DomainRouting
    gateway_port: int
    """Port of the addresses that are told apart by host name."""
    copy: DatabaseCopy | None
    """What copies the database, where that is chosen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiRequest:
    """One authenticated request whose arguments fit the operation's schema."""

    operation: Operation
    arguments: Arguments
    user: User
    services: Services
    _found: dict[str, Project] = field(default_factory=dict, init=False, repr=False)
    """What was read for this request already."""

    async def project(self) -> Project:
        """The project that the path names.

        Raises:
            NotFoundError: The user has no such project.
        """
        project_id = self.arguments["project_id"]
        if project_id not in self._found:
            project = await self.services.store.projects.get(self.user.id, project_id)
            if project is None:
                raise NotFoundError("project", project_id)
            self._found[project_id] = project
        return self._found[project_id]

    async def active_project(self) -> Project:
        """The project that the path names, unless it is being deleted; a suspended one is read.

        Raises:
            NotFoundError: The user has no such project.
            WrongStateError: It is not active.
        """
        project = await self.project()
        if project.status is ProjectStatus.SUSPENDED:
            if not self.operation.annotations.read_only:
                raise WrongStateError(f"{SUSPENDED.text}.")
        elif project.status is not ProjectStatus.ACTIVE:
            raise WrongStateError(f"The project is {project.status}, not active.")
        return project

    async def environment(self) -> Environment:
        """The environment that the path names.

        Raises:
            NotFoundError: The project has no such environment.
        """
        return await self.environment_of(await self.project(), self.arguments["environment_id"])

    async def environment_of(self, project: Project, environment_id: str) -> Environment:
        """An environment of a project.

        Raises:
            NotFoundError: The project has no such environment.
        """
        environment = await self.services.store.environments.get(environment_id)
        if environment is None or environment.project_id != project.id:
            raise NotFoundError("environment", environment_id)
        return environment

    async def deployment(self) -> Deployment:
        """The deployment that the path names.

        Raises:
            NotFoundError: The project has no such deployment.
            WrongStateError: The project is not active.
        """
        project = await self.active_project()
        deployment_id = self.arguments["deployment_id"]
        deployment = await self.services.store.deployments.get(deployment_id)
        if deployment is None or deployment.project_id != project.id:
            raise NotFoundError("deployment", deployment_id)
        return deployment

    async def mask_lines(self, project_id: str, lines: Sequence[str]) -> Sequence[str]:
        """Lines that a project's apps printed, without the passwords of their services.

        Nobody knows those but the platform: who asks cannot mask them.
        """
        secrets = await self.services.store.services.secrets_of(project_id)
        if not secrets:
            return lines
        known = KnownSecrets.of(secrets).within(lines)
        return await to_thread.run_sync(lambda: [known.mask(line) for line in lines])

    async def mask(self, project_id: str, text: str) -> str:
        """The same for one text of any length."""
        return (await self.mask_lines(project_id, [text]))[0]

    @property
    def since_s(self) -> int:
        """How far back a log is asked for."""
        since_s: int = self.arguments.get("since-seconds", DEFAULT_SINCE_S)
        return min(since_s, MAX_SINCE_S)


Handler: TypeAlias = Callable[[ApiRequest], Awaitable[Json]]
"""Does what an operation says and returns its `data`."""

Handlers: TypeAlias = Mapping[str, Handler]

# As the cloud answers without `limit`.
DEFAULT_LIMIT = 10
# As the cloud answers without `since-seconds`.
DEFAULT_SINCE_S = 60
MAX_SINCE_S = 10 * 366 * 24 * 3600
"""Ten years are all there is, and a moment that can be calculated."""


def page(request: ApiRequest, rows: list[dict[str, Any]], total: int) -> Json:
    """A page as the API writes it: `{"data": [...], "pagination": {...}}`."""
    limit, offset = page_bounds(request)
    pagination = {"total": total, "limit": limit, "offset": offset, "count": len(rows)}
    return {"data": rows, "pagination": pagination}


def page_bounds(request: ApiRequest) -> tuple[int, int]:
    """The limit and offset of a page, by default the first ten rows."""
    return request.arguments.get("limit", DEFAULT_LIMIT), request.arguments.get("offset", 0)


def log_text(files: Sequence[Path], since_s: float) -> str:
    """What was printed in the last `since_s` seconds, or a sentence that says why nothing."""
    text = tail(files, since_s)
    if text:
        return text
    last = last_moment(files)
    if last is None:
        return "No log lines yet."
    return (
        f"No log lines in the last {since_s:g} s; the newest is from {last}. "
        "Increase since-seconds."
    )
