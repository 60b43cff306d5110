"""The platform put together: store, builder, runner, gateway and API in one process."""

import fcntl
import logging
import os
import secrets
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import IO

import anyio

from createos_mcp.contract.catalog import load_catalog
from createos_mcp.platform.api.api_request import Services
from createos_mcp.platform.api.app import HANDLERS, create_api
from createos_mcp.platform.api.auth import ensure_first_key
from createos_mcp.platform.api.downloads import Downloads
from createos_mcp.platform.api.performing import Performer
from createos_mcp.platform.background import Background
from createos_mcp.platform.build.builder import Builder
from createos_mcp.platform.build.toolchains import Toolchains
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.copies import DatabaseCopy
from createos_mcp.platform.cron.cron_requests import open_client
from createos_mcp.platform.cron.scheduler import Scheduler
from createos_mcp.platform.deploy.deploy_parts import make_deploy_parts
from createos_mcp.platform.deploy.registry_logins import RegistryLogins
from createos_mcp.platform.deploy.template_files import TemplateFiles
from createos_mcp.platform.domains.dns_checks import DnsCheck
from createos_mcp.platform.domains.reverification import Reverification
from createos_mcp.platform.engines.engine_parts import make_engine_parts
from createos_mcp.platform.errors import StartupError
from createos_mcp.platform.gateway.addresses import Addresses
from createos_mcp.platform.gateway.domain_routing import DomainRouting
from createos_mcp.platform.gateway.gateway import Gateway
from createos_mcp.platform.gateway.listeners import Listeners
from createos_mcp.platform.gateway.traffic import open_traffic
from createos_mcp.platform.models import Instance
from createos_mcp.platform.pages.page_hosts import PageHosts
from createos_mcp.platform.pages.pages_app import create_pages
from createos_mcp.platform.pages.watchers import Watchers
from createos_mcp.platform.processes import ProcessId
from createos_mcp.platform.run.address_watch import AddressWatch
from createos_mcp.platform.run.commands import AppCommands
from createos_mcp.platform.run.project_users import ProjectUsers
from createos_mcp.platform.run.runner import Runner
from createos_mcp.platform.run.sleeper import Sleeper
from createos_mcp.platform.run.supervisor import Supervisor
from createos_mcp.platform.run.usage import UsageMeter
from createos_mcp.platform.run.yielding import Yielding
from createos_mcp.platform.sandbox.addresses import own_addresses
from createos_mcp.platform.sandbox.cgroups import ControlGroup
from createos_mcp.platform.sandbox.detection import detect_sandbox, gaps_of
from createos_mcp.platform.sandbox.sandbox import Sandbox
from createos_mcp.platform.sealing import Sealer
from createos_mcp.platform.services.service_parts import make_service_parts
from createos_mcp.platform.settled_ports import bind_port, settle_ports
from createos_mcp.platform.state import PlatformState, write_state
from createos_mcp.platform.store.store import Store, open_store
from createos_mcp.platform.store.transfer_tokens import TransferTokens

DESERTED_POLL_S = 2.0

logger = logging.getLogger(__name__)


def utc_now() -> datetime:
    """The present moment, with its zone."""
    return datetime.now(UTC)


@asynccontextmanager
async def open_platform(
    config: PlatformConfig,
    environ: Mapping[str, str],
    *,
    now: Callable[[], datetime] = utc_now,
) -> AsyncIterator[tuple[PageHosts, Gateway, Sandbox]]:
    """Everything but the API's socket: apps run and answer while this is open.

    Args:
        config: How the platform is set up; its ports are settled.
        now: Tells the present moment.
        environ: Environment that builds take their PATH and certificates from.
    """
    data_dir = config.data_dir
    sandbox = detect_sandbox(config.isolation, data_dir.sandbox)
    has_groups = ControlGroup.works(config.cgroup_root)
    sealer = Sealer(data_dir.sealing_key)
    async with (
        open_store(
            data_dir.database,
            app_ports=config.app_ports,
            sealer=sealer,
            now=now,
        ) as store,
        open_traffic(
            data_dir.traffic, now=now, retention_days=config.traffic_retention_days
        ) as traffic,
    ):
        await ensure_first_key(store.accounts, data_dir.key_file)
        downloads = Downloads(secret=await _secret(store, "downloads"), now=now)
        tokens = TransferTokens(secret=await _secret(store, "transfers"), now=now)
        logins = RegistryLogins(store)
        engines = make_engine_parts(
            config=config,
            environ=environ,
            sandbox=sandbox,
            platform_id=await _secret(store, "platform-id"),
            find_login=logins.find,
        )
        runner = Runner(
            config=config,
            processes=engines.processes,
            containers=engines.containers,
            services=engines.swarm,
        )
        async with (
            engines.docker,
            engines.containers,
            engines.swarm,
            Gateway(
                open_socket=runner.open_socket,
                record=traffic.record,
                port=config.gateway_port,
                trusted_proxies=config.trusted_proxies,
            ) as gateway,
            open_client() as client,
            AsyncExitStack() as at_end,
            anyio.create_task_group() as tasks,
        ):
            background = Background(tasks)
            background.keep(traffic.run)
            addresses = Addresses(store=store, gateway=gateway)
            users = ProjectUsers(store.projects, store.accounts, sandbox)
            supervisor = Supervisor(
                store=store,
                users=users,
                runner=runner,
                addresses=addresses,
                gateway=gateway,
                config=config,
                background=background,
            )
            builder = Builder(
                config=config, environ=environ, sandbox=sandbox, background=background
            )
            managed = make_service_parts(
                store=store,
                engines=engines,
                sandbox=sandbox,
                toolchains=builder.toolchains,
                config=config,
                background=background,
                awake_projects=supervisor.awake_projects,
                now=now,
            )
            runner.attach = managed.attachments.attach
            # When these run, every task that could start an app has ended; apps go first.
            at_end.push_async_callback(managed.host.stop_all)
            at_end.push_async_callback(supervisor.stop_all)
            deploying = make_deploy_parts(
                store=store,
                supervisor=supervisor,
                addresses=addresses,
                gateway=gateway,
                builder=builder,
                images=engines.images,
                logins=logins,
                dockerfiles=engines.dockerfiles,
                users=users,
                sandbox=sandbox,
                copies=managed.copies,
                client=client,
                config=config,
                environ=environ,
                background=background,
            )
            scheduler = Scheduler(
                cronjobs=store.cronjobs, client=client, background=background, now=now
            )
            routing = DomainRouting(domains=store.domains, gateway=gateway)
            await anyio.to_thread.run_sync(builder.end_interrupted)
            await managed.host.recover()
            await deploying.recover()
            background.start(deploying.pushes.recover)
            template_files = TemplateFiles(data_dir)
            await template_files.list_starters(store.templates)
            await routing.restore()
            dns = DnsCheck(config.dns_servers)
            for work in (
                Sleeper(store=store, supervisor=supervisor, gateway=gateway, config=config).run,
                deploying.releases.keep_collecting,
                scheduler.run,
                Reverification(
                    domains=store.domains,
                    dns=dns,
                    follow=routing.follow,
                    interval_s=config.domain_check_interval_s,
                ).run,
                deploying.mirrors.run,
                deploying.commit_statuses.run,
                managed.upkeep.run,
            ):
                background.keep(work)
            copy = _start_copy(background, builder.toolchains, sealer, config, environ)
            _start_watches(background, supervisor, sandbox, config, has_groups=has_groups)
            services = Services(
                store=store,
                deployer=deploying.deployer,
                suspension=deploying.suspension,
                addresses=addresses,
                reconciler=deploying.reconciler,
                supervisor=supervisor,
                docker=engines.docker,
                pushes=deploying.pushes,
                mirrors=deploying.mirrors,
                github_accounts=deploying.github_accounts,
                background=background,
                repositories=deploying.repositories,
                template_files=template_files,
                scanner=deploying.scanner,
                scheduler=scheduler,
                managed=managed,
                commands=AppCommands(
                    runner=runner,
                    users=users,
                    data_dir=data_dir,
                    at_once=config.builds_at_once,
                ),
                usage=UsageMeter(),
                downloads=downloads,
                transfer_tokens=tokens,
                traffic=traffic,
                config=config,
                now=now,
                users=users,
                gaps=gaps_of(sandbox, has_groups=has_groups),
                dns=dns,
                routing=routing,
                gateway_port=gateway.port,
                copy=copy,
            )
            performer = Performer(
                catalog=load_catalog(local=True), handlers=HANDLERS, services=services
            )
            pages = create_pages(
                performer,
                api=create_api(performer),
                watchers=Watchers(background),
                label=await store.accounts.ensure_secret("page-label", secrets.token_hex(4)),
            )
            yield pages, gateway, sandbox
            tasks.cancel_scope.cancel()


def _start_watches(
    background: Background,
    supervisor: Supervisor,
    sandbox: Sandbox,
    config: PlatformConfig,
    *,
    has_groups: bool,
) -> None:
    """Look after the processes of apps, for as long as the platform lives."""

    def running() -> list[Instance]:
        return [
            one
            for replicas in supervisor.running()
            for one in replicas.instances
            if not one.is_contained
        ]

    if has_groups:
        yielding = Yielding(
            replica_ids=lambda: [one.replica_id for one in running()],
            cgroup_root=config.cgroup_root,
        )
        background.keep(yielding.run)
    if sandbox.own_network:
        watch = AddressWatch(
            own_addresses=own_addresses,
            instances=running,
            interval_s=config.address_check_interval_s,
        )
        background.keep(watch.run)


def _start_copy(
    background: Background,
    toolchains: Toolchains,
    sealer: Sealer,
    config: PlatformConfig,
    environ: Mapping[str, str],
) -> DatabaseCopy | None:
    """Copy the database as it changes, where that is chosen."""
    if not config.copy_to:
        return None
    sealer.ensure_key()
    copy = DatabaseCopy(
        config.data_dir,
        config.copy_to,
        fetch=lambda package: toolchains.library(package, _log_lines),
        environ=environ,
        say=logger.warning,
    )
    background.keep(copy.run)
    return copy


async def _log_lines(lines: Sequence[str]) -> None:
    for line in lines:
        logger.info("%s", line)


async def _secret(store: Store, name: str) -> str:
    return await store.accounts.ensure_secret(name, secrets.token_urlsafe(32))


async def serve_platform(config: PlatformConfig, environ: Mapping[str, str]) -> None:
    """Serve the API and the apps until SIGTERM or SIGINT, or until the data directory is deleted.

    Raises:
        StartupError: The data directory is in use or a port is taken.
    """
    try:
        config.data_dir.create()
    except OSError as error:
        raise StartupError(f"{config.data_dir.root} cannot be used", str(error)) from error
    with _only_one(config.data_dir.lock_file) as lock:
        settled = await settle_ports(config)
        listener = bind_port(settled.api_port)
        settled = replace(settled, api_port=listener.getsockname()[1])
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with open_platform(settled, environ) as (app, gateway, sandbox):
                api = Listeners(app)
                await api.serve(listener)
                state = _state(config, settled, gateway, sandbox, app.url)
                write_state(config.data_dir.state_file, state)
                async with anyio.create_task_group() as ends:
                    ends.start_soon(_end_when_deserted, lock, ends.cancel_scope)
                    await anext(signals)
                    ends.cancel_scope.cancel()
                await api.close_all()


async def _end_when_deserted(lock: IO[str], scope: anyio.CancelScope) -> None:
    """Nobody finds a platform again whose lock file was deleted, not even to stop it."""
    while os.fstat(lock.fileno()).st_nlink:  # noqa: ASYNC110 - a deletion sends no event
        await anyio.sleep(DESERTED_POLL_S)
    scope.cancel()


def _state(
    asked: PlatformConfig,
    config: PlatformConfig,
    gateway: Gateway,
    sandbox: Sandbox,
    dashboard_url: str,
) -> PlatformState:
    process = ProcessId.of(os.getpid())
    return PlatformState(
        pid=process.pid,
        started=process.started,
        boot_id=process.boot_id,
        version=version("createos-mcp"),
        api_port=config.api_port,
        gateway_port=gateway.port,
        isolation=sandbox.name,
        outbound=sandbox.outbound,
        gaps=gaps_of(sandbox, has_groups=ControlGroup.works(config.cgroup_root)),
        settings=asked.choices(),
        dashboard_url=dashboard_url,
    )


@contextmanager
def _only_one(lock_file: Path) -> Iterator[IO[str]]:
    try:
        opened = lock_file.open("a")
    except OSError as error:
        raise StartupError(f"{lock_file.parent} cannot be written", str(error)) from error
    with opened as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            reason = f"another platform uses {lock_file.parent}"
            raise StartupError(reason) from error
        yield lock
