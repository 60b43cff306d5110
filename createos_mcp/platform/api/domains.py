"""Custom domains: claim, prove, route, give back."""

from createos_mcp.contract.values import Json
from createos_mcp.platform.api.api_request import ApiRequest, Handlers
from createos_mcp.platform.domains.dns_checks import Records, instructions, records_for
from createos_mcp.platform.domains.domain_names import read_name
from createos_mcp.platform.errors import WrongStateError
from createos_mcp.platform.models import Domain, Environment, Project
from createos_mcp.platform.states import DomainStatus


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


async def create_domain(request: ApiRequest) -> Json:
    """Claim a name for a project; DNS has to prove it before it is routed."""
    project = await request.active_project()
    name = read_name(request.arguments["name"])
    environment = await _domain_environment(request, project)
    domain = await request.services.store.domains.add(
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


async def list_domains(request: ApiRequest) -> Json:
    """All domains of a project."""
    project = await request.active_project()
    return [
        serialize_domain(domain) for domain in await request.services.store.domains.of(project.id)
    ]


async def refresh(request: ApiRequest) -> Json:
    """Ask DNS about a pending domain; the answer says what it showed."""
    project = await request.active_project()
    domain = await _domain(request, project)
    if domain.status is not DomainStatus.PENDING:
        raise WrongStateError(
            f"Only a pending domain can be verified; this one is {domain.status}."
        )
    finding = await request.services.dns.check(domain.name, records_for(domain))
    message = finding.message
    if finding.verified:
        message = (
            f"{message} It is active over plain HTTP: host name {domain.name} at port "
            f"{request.services.gateway_port}. No certificate is issued on one machine."
        )
    checked = await request.services.store.domains.record_check(
        domain, verified=finding.verified, message=message
    )
    await request.services.routing.follow(checked.environment_id)
    return message


async def assign_domain(request: ApiRequest) -> Json:
    """Route an active domain to an environment that has something to serve, or to none."""
    project = await request.active_project()
    domain = await _domain(request, project)
    environment = await _domain_environment(request, project)
    if domain.status is not DomainStatus.ACTIVE:
        raise WrongStateError(
            f"The domain is {domain.status}; set its DNS records and call RefreshDomain first."
        )
    if environment is not None and environment.deployment_id is None:
        raise WrongStateError(
            f"environmentId: nothing is deployed to {environment.unique_name!r}; deploy first."
        )
    environment_id = environment.id if environment else None
    await request.services.store.domains.assign(domain.id, environment_id)
    await request.services.routing.follow(domain.environment_id, environment_id)
    if environment is None:
        return f"{domain.name} is not assigned to an environment."
    return f"{domain.name} is assigned to the environment {environment.unique_name!r}."


async def delete_domain(request: ApiRequest) -> Json:
    """Give a name back; it leads nowhere from now on."""
    project = await request.active_project()
    domain = await _domain(request, project)
    await request.services.store.domains.remove(domain.id)
    await request.services.routing.follow(domain.environment_id)
    return f"Domain {domain.name} deleted."


async def _domain(request: ApiRequest, project: Project) -> Domain:
    return await request.services.store.domains.get(project.id, request.arguments["domain_id"])


async def _domain_environment(request: ApiRequest, project: Project) -> Environment | None:
    """The environment that the arguments name, if they name one."""
    environment_id = request.arguments.get("environmentId")
    if environment_id is None:
        return None
    return await request.environment_of(project, environment_id)


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
    "UpdateDomainEnvironment": assign_domain,
    "DeleteDomain": delete_domain,
}
