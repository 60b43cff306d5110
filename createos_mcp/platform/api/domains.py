"""Custom domains: claim, prove, route, give back."""

from createos_mcp.contract.operations import Json
from createos_mcp.platform.api.api_request import ApiRequest, Handlers
from createos_mcp.platform.domains.dns_checks import Records, instructions, records_for
from createos_mcp.platform.domains.domain_names import read_name
from createos_mcp.platform.errors import WrongStateError
from createos_mcp.platform.models import Domain, DomainStatus, Environment, Project


def serialize_domain(domain: Domain) -> dict[str, Json]:
    """A domain as the API shows it."""
    return {
        "id": domain.id,
        "projectId": domain.project_id,
        "name": domain.name,
        "environmentId": domain.environment_id,
        "status": domain.status,
        "message": domain.message,
        "records": _serialize_records(records_for(domain)),
        "domainCertificateId": None,
        "failedVerificationCount": domain.failed_verification_count,
        "lastFailedVerifiedAt": domain.last_failed_verified_at,
        "deletingAt": None,
        "createdAt": domain.created_at,
        "updatedAt": domain.updated_at,
    }


async def create_domain(call: ApiRequest) -> Json:
    """Claim a name for a project; DNS has to prove it before it is routed."""
    project = await call.active_project()
    name = read_name(call.arguments["name"])
    environment = await _domain_environment(call, project)
    domain = await call.services.store.domains.add(
        project_id=project.id, environment_id=environment.id if environment else None, name=name
    )
    records = records_for(domain)
    to_set = instructions(name, records)
    return {
        "id": domain.id,
        "name": domain.name,
        "status": domain.status,
        "records": _serialize_records(records),
        "message": f"Set in DNS for {name}: {to_set}. Then call RefreshDomain.",
    }


async def list_domains(call: ApiRequest) -> Json:
    """All domains of a project."""
    project = await call.active_project()
    return [serialize_domain(domain) for domain in await call.services.store.domains.of(project.id)]


async def refresh(call: ApiRequest) -> Json:
    """Ask DNS about a pending domain; the answer says what it showed."""
    project = await call.active_project()
    domain = await _domain(call, project)
    if domain.status is not DomainStatus.PENDING:
        raise WrongStateError(f"Only a pending domain is verified; this one is {domain.status}.")
    finding = await call.services.dns.check(domain.name, records_for(domain))
    message = finding.message
    if finding.verified:
        message = (
            f"{message} It is active: plain HTTP with the host name {domain.name} at port "
            f"{call.services.gateway_port}. No certificate is issued on one machine."
        )
    checked = await call.services.store.domains.record_check(
        domain, verified=finding.verified, message=message
    )
    await call.services.routing.follow(checked.environment_id)
    return message


async def update_environment(call: ApiRequest) -> Json:
    """Route an active domain to an environment that has something to serve, or to none."""
    project = await call.active_project()
    domain = await _domain(call, project)
    environment = await _domain_environment(call, project)
    if domain.status is not DomainStatus.ACTIVE:
        raise WrongStateError(
            f"The domain is {domain.status}; set its DNS records and call RefreshDomain first."
        )
    if environment is not None and environment.deployment_id is None:
        raise WrongStateError(
            f"environmentId: nothing is deployed to {environment.unique_name!r}; deploy first."
        )
    environment_id = environment.id if environment else None
    await call.services.store.domains.assign(domain.id, environment_id)
    await call.services.routing.follow(domain.environment_id, environment_id)
    if environment is None:
        return f"{domain.name} leads to no environment."
    return f"{domain.name} leads to the environment {environment.unique_name!r}."


async def delete_domain(call: ApiRequest) -> Json:
    """Give a name back; it leads nowhere from now on."""
    project = await call.active_project()
    domain = await _domain(call, project)
    await call.services.store.domains.remove(domain.id)
    await call.services.routing.follow(domain.environment_id)
    return f"The domain {domain.name} is deleted."


async def _domain(call: ApiRequest, project: Project) -> Domain:
    return await call.services.store.domains.get(project.id, call.arguments["domain_id"])


async def _domain_environment(call: ApiRequest, project: Project) -> Environment | None:
    """The environment that the arguments name, if they name one."""
    environment_id = call.arguments.get("environmentId")
    if environment_id is None:
        return None
    return await call.environment_of(project, environment_id)


def _serialize_records(records: Records) -> dict[str, Json]:
    """Records as the API writes them; the TXT's name is relative to the domain."""
    return {
        "a_records": list(records.a_records),
        "txt_records": [{"name": records.txt_name, "value": records.txt_value}],
        "cname": records.cname,
    }


HANDLERS: Handlers = {
    "CreateDomain": create_domain,
    "ListDomains": list_domains,
    "RefreshDomain": refresh,
    "UpdateDomainEnvironment": update_environment,
    "DeleteDomain": delete_domain,
}
