"""Rows of the database as the platform's nouns."""

import json
import sqlite3

from createos_mcp.platform.models import (
    Activity,
    ApiKey,
    Cronjob,
    CronjobStatus,
    Deployment,
    DeploymentStatus,
    Domain,
    DomainStatus,
    Environment,
    EnvironmentStatus,
    Group,
    Json,
    LogLine,
    Project,
    ProjectStatus,
    ProjectType,
    Replica,
    ReplicaSet,
    Transfer,
    User,
)


def user_of(row: sqlite3.Row) -> User:
    """A row of `users`."""
    return User(id=row["id"], name=row["name"], email=row["email"], created_at=row["created_at"])


def api_key_of(row: sqlite3.Row) -> ApiKey:
    """A row of `api_keys`; the hash stays behind."""
    return ApiKey(
        id=row["id"],
        user_id=row["user_id"],
        name=row["name"],
        description=row["description"],
        expired_at=row["expired_at"],
        revoked_at=row["revoked_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def group_of(row: sqlite3.Row) -> Group:
    """A row of `groups`."""
    return Group(
        id=row["id"],
        user_id=row["user_id"],
        name=row["name"],
        description=row["description"],
        color=row["color"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def project_of(row: sqlite3.Row) -> Project:
    """A row of `projects`."""
    return Project(
        id=row["id"],
        user_id=row["user_id"],
        unique_name=row["unique_name"],
        display_name=row["display_name"],
        description=row["description"],
        type=ProjectType(row["type"]),
        status=ProjectStatus(row["status"]),
        source=json.loads(row["source"]),
        settings=json.loads(row["settings"]),
        enabled_security_scan=bool(row["enabled_security_scan"]),
        app_id=row["app_id"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def transfer_of(row: sqlite3.Row) -> Transfer:
    """A row of `transfers`; the token's id stays behind."""
    return Transfer(
        id=row["id"],
        project_id=row["project_id"],
        from_user_id=row["from_user_id"],
        to_user_id=row["to_user_id"],
        created_at=row["created_at"],
    )


def environment_of(row: sqlite3.Row) -> Environment:
    """A row of `environments` with its port."""
    return Environment(
        id=row["id"],
        project_id=row["project_id"],
        unique_name=row["unique_name"],
        display_name=row["display_name"],
        description=row["description"],
        branch=row["branch"],
        status=EnvironmentStatus(row["status"]),
        is_auto_promote_enabled=bool(row["is_auto_promote_enabled"]),
        resources=json.loads(row["resources"]),
        settings=json.loads(row["settings"]),
        deployment_id=row["deployment_id"],
        next_deployment_id=row["next_deployment_id"],
        message=row["message"],
        host=row["host"],
        port=row["port"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def deployment_of(row: sqlite3.Row) -> Deployment:
    """A row of `deployments` with its port, if it has one."""
    return Deployment(
        id=row["id"],
        project_id=row["project_id"],
        version=row["version"],
        status=DeploymentStatus(row["status"]),
        reason=row["reason"],
        source=row["source"],
        settings=json.loads(row["settings"]),
        live_at=row["live_at"],
        release=_json_or_none(row["release"]),
        port=row["port"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def replica_set_of(row: sqlite3.Row) -> ReplicaSet:
    """A row of `replica_sets`."""
    return ReplicaSet(
        id=row["id"],
        deployment_id=row["deployment_id"],
        environment_id=row["environment_id"],
        run_envs=json.loads(row["run_envs"]),
        port=row["port"],
        resources=json.loads(row["resources"]),
    )


def replica_of(row: sqlite3.Row) -> Replica:
    """A row of `replicas`."""
    return Replica(
        id=row["id"],
        set_id=row["set_id"],
        number=row["number"],
        instance=_json_or_none(row["instance"]),
    )


def domain_of(row: sqlite3.Row) -> Domain:
    """A row of `domains`."""
    return Domain(
        id=row["id"],
        project_id=row["project_id"],
        environment_id=row["environment_id"],
        name=row["name"],
        status=DomainStatus(row["status"]),
        token=row["token"],
        message=row["message"],
        failed_verification_count=row["failed_verification_count"],
        last_failed_verified_at=row["last_failed_verified_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def cronjob_of(row: sqlite3.Row) -> Cronjob:
    """A row of `cronjobs` with the port of its environment."""
    return Cronjob(
        id=row["id"],
        project_id=row["project_id"],
        environment_id=row["environment_id"],
        environment_port=row["port"],
        name=row["name"],
        schedule=row["schedule"],
        status=CronjobStatus(row["status"]),
        settings=json.loads(row["settings"]),
        suspended_at=row["suspended_at"],
        over_at=row["over_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def activity_of(row: sqlite3.Row) -> Activity:
    """A row of `cronjob_activities`."""
    return Activity(
        id=row["id"],
        cronjob_id=row["cronjob_id"],
        scheduled_at=row["scheduled_at"],
        success=None if row["success"] is None else bool(row["success"]),
        status_code=row["status_code"],
        log=row["log"],
        created_at=row["created_at"],
    )


def log_line_of(row: sqlite3.Row) -> LogLine:
    """A row of `build_log`."""
    return LogLine(
        deployment_id=row["deployment_id"],
        line_number=row["line_number"],
        stage=row["stage"],
        log=row["log"],
        ts=row["ts"],
    )


def _json_or_none(text: str | None) -> Json:
    return None if text is None else json.loads(text)
