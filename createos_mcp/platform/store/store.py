"""What the platform has acknowledged, one attribute for each kind of row."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from createos_mcp.platform.sealing import Sealer
from createos_mcp.platform.store.accounts import Accounts
from createos_mcp.platform.store.cronjobs import Cronjobs
from createos_mcp.platform.store.database import Database, open_database
from createos_mcp.platform.store.deployments import Deployments
from createos_mcp.platform.store.domains import Domains
from createos_mcp.platform.store.environments import Environments
from createos_mcp.platform.store.git_accounts import GitAccounts
from createos_mcp.platform.store.github_app import AppRegistrations
from createos_mcp.platform.store.groups import Groups
from createos_mcp.platform.store.ports import Ports
from createos_mcp.platform.store.projects import Projects
from createos_mcp.platform.store.registry_credentials import RegistryCredentials
from createos_mcp.platform.store.replaced_variables import ReplacedVariables
from createos_mcp.platform.store.replica_sets import ReplicaSets
from createos_mcp.platform.store.repositories import Repositories
from createos_mcp.platform.store.scans import Scans
from createos_mcp.platform.store.services import ServiceRows
from createos_mcp.platform.store.templates import Templates
from createos_mcp.platform.store.transfers import Transfers


@asynccontextmanager
async def open_store(
    path: Path, *, app_ports: range, sealer: Sealer, now: Callable[[], datetime]
) -> AsyncIterator["Store"]:
    """Open the store in a database file, for as long as the context lasts.

    Args:
        path: The database file, made if it is not there.
        app_ports: Ports that environments and deployments may be given.
        sealer: Seals the secrets that the store holds for others.
        now: Tells the present moment.
    """
    async with open_database(path, "platform") as database:
        yield Store(database, app_ports=app_ports, sealer=sealer, now=now)


class Store:
    """Reads and durable writes; whatever a write returned for outlives a kill."""

    def __init__(
        self,
        database: Database,
        *,
        app_ports: range,
        sealer: Sealer,
        now: Callable[[], datetime],
    ) -> None:
        self.accounts = Accounts(database, now=now)
        self.groups = Groups(database, now=now)
        self.transfers = Transfers(database, now=now)
        self.ports = Ports(database, app_ports)
        self.environments = Environments(database, ports=self.ports, now=now)
        self.projects = Projects(database, environments=self.environments, now=now)
        self.deployments = Deployments(database, now=now)
        self.repositories = Repositories(database, now=now)
        self.templates = Templates(database, now=now)
        self.scans = Scans(database, now=now)
        self.services = ServiceRows(database, sealer, now=now)
        self.github_app = AppRegistrations(database, sealer, now=now)
        self.git_accounts = GitAccounts(database, sealer, now=now)
        self.registry_credentials = RegistryCredentials(database, sealer, now=now)
        self.replaced_variables = ReplacedVariables(database, now=now)
        self.replica_sets = ReplicaSets(database)
        self.domains = Domains(database, now=now)
        self.cronjobs = Cronjobs(database, now=now)
