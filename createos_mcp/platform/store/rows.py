"""Rows of the database as the platform's nouns: each field from the column of its name."""

import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

from createos_mcp.contract.values import Json
from createos_mcp.platform.models import (
    Activity,
    ApiKey,
    Cronjob,
    Deployment,
    Domain,
    Environment,
    Group,
    LogLine,
    Project,
    Replica,
    ReplicaSet,
    Transfer,
    User,
)
from createos_mcp.platform.states import (
    CronjobStatus,
    DeploymentStatus,
    DomainStatus,
    EnvironmentStatus,
    ProjectStatus,
    ProjectType,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Noun = TypeVar("Noun", bound="DataclassInstance")


def _reader(noun: type[Noun], **kinds: Callable[[Any], Json]) -> Callable[[sqlite3.Row], Noun]:
    """What makes a noun of a row.

    Args:
        noun: Its fields name the columns.
        kinds: How a column is read that holds something else than what it means.
    """
    names = [field.name for field in fields(noun)]

    def read(row: sqlite3.Row) -> Noun:
        values = {name: row[name] for name in names}
        return noun(**values | {name: kind(values[name]) for name, kind in kinds.items()})

    return read


def _json_or_none(text: str | None) -> Json:
    return None if text is None else json.loads(text)


def _bool_or_none(number: int | None) -> bool | None:
    return None if number is None else bool(number)


def total_of(rows: Sequence[sqlite3.Row]) -> int:
    """How many rows there are in all, as each row of a page says."""
    return rows[0]["total"] if rows else 0


user_of = _reader(User)
api_key_of = _reader(ApiKey)
group_of = _reader(Group)
project_of = _reader(
    Project,
    type=ProjectType,
    status=ProjectStatus,
    source=json.loads,
    settings=json.loads,
    enabled_security_scan=bool,
)
transfer_of = _reader(Transfer)
environment_of = _reader(
    Environment,
    status=EnvironmentStatus,
    is_auto_promote_enabled=bool,
    is_preview=bool,
    is_stopped=bool,
    resources=json.loads,
    settings=json.loads,
)
deployment_of = _reader(
    Deployment,
    status=DeploymentStatus,
    settings=json.loads,
    release=_json_or_none,
    revision=_json_or_none,
)
replica_set_of = _reader(ReplicaSet, run_envs=json.loads, resources=json.loads)
replica_of = _reader(Replica, instance=_json_or_none)
domain_of = _reader(Domain, status=DomainStatus)
cronjob_of = _reader(Cronjob, status=CronjobStatus, settings=json.loads)
activity_of = _reader(Activity, success=_bool_or_none)
log_line_of = _reader(LogLine)
