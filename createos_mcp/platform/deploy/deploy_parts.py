"""The parts that deployments are made of, put together."""

from collections.abc import Mapping
from dataclasses import dataclass

import httpx2

from createos_mcp.platform.background import Background
from createos_mcp.platform.build.builder import Builder
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.deploy.commit_statuses import CommitStatuses
from createos_mcp.platform.deploy.commits import Commits
from createos_mcp.platform.deploy.deployer import Deployer
from createos_mcp.platform.deploy.github_accounts import GitHubAccounts
from createos_mcp.platform.deploy.image_scans import ImageScans
from createos_mcp.platform.deploy.mirrors import Mirrors
from createos_mcp.platform.deploy.previews import Previews
from createos_mcp.platform.deploy.pushes import Pushes
from createos_mcp.platform.deploy.reconciler import EnvironmentReconciler
from createos_mcp.platform.deploy.registry_logins import RegistryLogins
from createos_mcp.platform.deploy.releases import Releases
from createos_mcp.platform.deploy.repository_host import RepositoryHost
from createos_mcp.platform.deploy.scan_runs import ScanRuns
from createos_mcp.platform.deploy.scanner import Scanner
from createos_mcp.platform.deploy.suspension import Suspension
from createos_mcp.platform.engines.dockerfiles import Dockerfiles
from createos_mcp.platform.engines.images import Images
from createos_mcp.platform.gateway.addresses import Addresses
from createos_mcp.platform.gateway.gateway import Gateway
from createos_mcp.platform.run.project_users import ProjectUsers
from createos_mcp.platform.run.supervisor import Supervisor
from createos_mcp.platform.sandbox.sandbox import Sandbox
from createos_mcp.platform.services.service_copies import ServiceCopies
from createos_mcp.platform.store.store import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class DeployParts:
    """What the rest of the platform asks about deployments, and where they come from."""

    deployer: Deployer
    suspension: Suspension
    reconciler: EnvironmentReconciler
    releases: Releases
    scanner: Scanner
    pushes: Pushes
    mirrors: Mirrors
    github_accounts: GitHubAccounts
    repositories: RepositoryHost
    commit_statuses: CommitStatuses

    async def recover(self) -> None:
        """Go on where the last run of the platform ended."""
        await self.deployer.recover()
        await self.scanner.recover()


def make_deploy_parts(
    *,
    store: Store,
    supervisor: Supervisor,
    addresses: Addresses,
    gateway: Gateway,
    builder: Builder,
    images: Images,
    logins: RegistryLogins,
    dockerfiles: Dockerfiles,
    users: ProjectUsers,
    sandbox: Sandbox,
    copies: ServiceCopies,
    client: httpx2.AsyncClient,
    config: PlatformConfig,
    environ: Mapping[str, str],
    background: Background,
) -> DeployParts:
    """Put them together; nothing is deployed yet.

    `client` asks GitHub and the server of known vulnerabilities; tools of the machine are started
    with `environ`, the platform's own.
    """
    commits = Commits(store, config)
    releases = Releases(
        store=store,
        builder=builder,
        images=images,
        logins=logins,
        commits=commits,
        dockerfiles=dockerfiles,
        users=users,
        config=config,
    )
    reconciler = EnvironmentReconciler(
        store=store,
        releases=releases,
        supervisor=supervisor,
        addresses=addresses,
        background=background,
    )
    deployer = Deployer(
        store=store,
        releases=releases,
        supervisor=supervisor,
        reconciler=reconciler,
        addresses=addresses,
        gateway=gateway,
        config=config,
        background=background,
    )
    runs = ScanRuns(users=users, config=config, sandbox=sandbox)
    scanner = Scanner(
        store=store,
        runs=runs,
        images=ImageScans(images=images, logins=logins, runs=runs, config=config, environ=environ),
        config=config,
        toolchains=builder.toolchains,
        client=client,
        background=background,
    )
    deployer.on_live = scanner.after_deployment
    host = RepositoryHost(store.repositories, config.data_dir)
    pushes = Pushes(
        store=store,
        commits=commits,
        deployer=deployer,
        previews=Previews(
            store=store,
            addresses=addresses,
            reconciler=reconciler,
            copies=copies,
            config=config,
        ),
        host=host,
        users=users,
        config=config,
    )
    accounts = GitHubAccounts(store, client)
    return DeployParts(
        deployer=deployer,
        suspension=Suspension(
            store=store, deployer=deployer, supervisor=supervisor, background=background
        ),
        reconciler=reconciler,
        releases=releases,
        scanner=scanner,
        pushes=pushes,
        mirrors=Mirrors(
            store=store,
            commits=commits,
            pushes=pushes,
            accounts=accounts,
            interval_s=config.github_poll_s,
        ),
        github_accounts=accounts,
        repositories=host,
        commit_statuses=CommitStatuses(store, accounts),
    )
