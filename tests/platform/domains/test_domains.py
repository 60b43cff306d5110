"""Custom domains, proven by a real DNS server on loopback."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import anyio
import httpx2
import pytest

from createos_mcp.contract.values import Json
from createos_mcp.platform.domains.dns_checks import DnsCheck
from createos_mcp.platform.domains.reverification import Reverification
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.sealing import Sealer
from createos_mcp.platform.service import utc_now
from createos_mcp.platform.store.domains import Domains
from createos_mcp.platform.store.store import open_store
from tests.eventually import eventually
from tests.platform.clocks import Clock
from tests.platform.dns_servers import Zone, dns_server
from tests.platform.platforms import ANSWERING, PATIENCE_S, Api, running_platform

NOWHERE = "00000000-0000-4000-8000-000000000000"


@asynccontextmanager
async def platform_with_dns(root: Path) -> AsyncIterator[tuple[Api, Zone]]:
    with dns_server() as (zone, address):
        async with running_platform(root, dns_servers=(address,)) as api:
            yield api, zone


async def add(api: Api, project_id: str, name: str, **changes: Json) -> Json:
    status, data = await api.request(
        "POST", f"/v1/projects/{project_id}/domains", json={"name": name, **changes}
    )
    assert status == 201, data
    return data


async def refresh(api: Api, project_id: str, domain: Json) -> str:
    path = f"/v1/projects/{project_id}/domains/{domain['id']}/refresh"
    status, message = await api.request("POST", path)
    assert status == 200, message
    text: str = message
    return text


async def listed(api: Api, project_id: str) -> Json:
    (domain,) = await api.get(f"/v1/projects/{project_id}/domains")
    return domain


async def assign(
    api: Api, project_id: str, domain: Json, environment_id: str | None
) -> tuple[int, str]:
    path = f"/v1/projects/{project_id}/domains/{domain['id']}/environment"
    return await api.request("PUT", path, json={"environmentId": environment_id})


async def page_of(api: Api, host: str) -> tuple[int, str]:
    """What the shared port answers to a host name."""
    async with httpx2.AsyncClient(timeout=PATIENCE_S) as client:
        address = f"http://127.0.0.1:{api.gateway_port}/"
        answer = await client.get(address, headers={"Host": host})
        return answer.status_code, answer.text


async def verified(api: Api, zone: Zone, project_id: str, name: str, **changes: Json) -> Json:
    """A domain whose CNAME is set and was found."""
    domain = await add(api, project_id, name, **changes)
    zone.lines.append(f"{name}. 1 IN CNAME {domain['records']['cname']}.")
    assert "is verified" in await refresh(api, project_id, domain)
    return domain


async def test_a_new_domain_says_what_to_put_into_dns(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project()
        one = await add(api, project_id, "app.example.com")
        assert (one["name"], one["status"]) == ("app.example.com", "pending")
        assert one["records"]["a_records"] == ["127.0.0.1"]
        (txt,) = one["records"]["txt_records"]
        assert txt["name"] == "_createos"
        for part in (txt["value"], one["records"]["cname"], "127.0.0.1"):
            assert part in one["message"]
        shown = await listed(api, project_id)
        assert shown["records"] == one["records"]
        assert (shown["failedVerificationCount"], shown["environmentId"]) == (0, None)
        two = await add(api, project_id, "www.example.com")
        assert two["records"]["cname"] != one["records"]["cname"]
        assert two["records"]["txt_records"] != one["records"]["txt_records"]


async def test_a_cname_verifies_a_domain_whatever_its_case(tmp_path: Path) -> None:
    async with platform_with_dns(tmp_path) as (api, zone):
        project_id = await api.create_project()
        domain = await add(api, project_id, "App.Example.COM.")
        zone.lines.append(f"APP.example.com. 1 IN CNAME {domain['records']['cname'].upper()}.")
        message = await refresh(api, project_id, domain)
        assert "No certificate" in message
        shown = await listed(api, project_id)
        assert (shown["name"], shown["status"]) == ("app.example.com", "active")
        assert (shown["message"], shown["domainCertificateId"]) == (message, None)
        path = f"/v1/projects/{project_id}/domains/{domain['id']}/refresh"
        status, message = await api.request("POST", path)
        assert (status, "active" in message) == (422, True)


async def test_an_address_counts_only_together_with_the_text(tmp_path: Path) -> None:
    async with platform_with_dns(tmp_path) as (api, zone):
        project_id = await api.create_project()
        domain = await add(api, project_id, "example.com")
        zone.lines.append("example.com. 1 IN A 127.0.0.1")
        assert "no TXT" in await refresh(api, project_id, domain)
        value = domain["records"]["txt_records"][0]["value"]
        half = len(value) // 2
        zone.lines.append(
            f'_createos.example.com. 1 IN TXT "{value[:half]}" "{value[half:]}"',
        )
        assert "is verified" in await refresh(api, project_id, domain)


async def test_the_text_alone_is_no_proof(tmp_path: Path) -> None:
    async with platform_with_dns(tmp_path) as (api, zone):
        project_id = await api.create_project()
        domain = await add(api, project_id, "example.com")
        value = domain["records"]["txt_records"][0]["value"]
        zone.lines += [
            f'_createos.example.com. 1 IN TXT "{value}"',
            "example.com. 1 IN A 192.0.2.7",
        ]
        message = await refresh(api, project_id, domain)
        assert "192.0.2.7" in message
        assert (await listed(api, project_id))["status"] == "pending"


async def test_wrong_records_are_named_beside_the_right_ones(tmp_path: Path) -> None:
    async with platform_with_dns(tmp_path) as (api, zone):
        project_id = await api.create_project()
        domain = await add(api, project_id, "app.example.com")
        message = await refresh(api, project_id, domain)
        assert "no CNAME; no A; no TXT" in message
        zone.lines += [
            "app.example.com. 1 IN CNAME other.example.net.",
            '_createos.app.example.com. 1 IN TXT "something else"',
        ]
        message = await refresh(api, project_id, domain)
        for part in ("other.example.net", "something else", domain["records"]["cname"]):
            assert part in message
        shown = await listed(api, project_id)
        assert (shown["status"], shown["failedVerificationCount"]) == ("pending", 2)
        assert shown["message"] == message
        assert shown["lastFailedVerifiedAt"] >= shown["createdAt"]


@pytest.mark.parametrize("failure", ["SERVFAIL", "REFUSED"])
async def test_a_dns_server_that_fails_is_told_apart_from_missing_records(
    failure: str, tmp_path: Path
) -> None:
    async with platform_with_dns(tmp_path) as (api, zone):
        project_id = await api.create_project()
        domain = await add(api, project_id, "app.example.com")
        zone.failure = failure
        message = await refresh(api, project_id, domain)
        assert "SERVFAIL" in message
        assert "no CNAME" not in message
        assert (await listed(api, project_id))["status"] == "pending"


async def test_a_dns_server_that_is_down_is_waited_for_5_seconds(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        server = f"127.0.0.1:{mute.getsockname()[1]}"
        async with running_platform(tmp_path, dns_servers=(server,)) as api:
            project_id = await api.create_project()
            domain = await add(api, project_id, "app.example.com")
            message = await refresh(api, project_id, domain)
            assert "CNAME unknown (no response within 5 s)" in message
            assert "no CNAME" not in message


async def test_a_name_beyond_ascii_is_kept_as_dns_has_it(tmp_path: Path) -> None:
    async with platform_with_dns(tmp_path) as (api, zone):
        project_id = await api.create_project()
        domain = await add(api, project_id, "Bücher.example")
        assert domain["name"] == "xn--bcher-kva.example"
        zone.lines.append(f"xn--bcher-kva.example. 1 IN CNAME {domain['records']['cname']}.")
        assert "is verified" in await refresh(api, project_id, domain)


@pytest.mark.parametrize(
    "name",
    [
        "localhost",
        "app.localhost",
        "example",
        "192.0.2.1",
        "[::1]",
        "https://example.com",
        "example.com:80",
        "example.com/path",
        "*.example.com",
        "a_b.example.com",
        "-a.example.com",
        "a..example.com",
        f"{'a' * 64}.example.com",
        ".".join(["label"] * 42) + ".com",
        "two words.com",
    ],
)
async def test_what_is_no_host_name_is_refused_by_its_field(name: str, tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project()
        status, message = await api.request(
            "POST", f"/v1/projects/{project_id}/domains", json={"name": name}
        )
        assert (status, message.startswith("name")) == (400, True)


async def test_a_domain_is_on_the_platform_once(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        one, two = await api.create_project("project-one"), await api.create_project("project-two")
        domain = await add(api, one, "app.example.com")
        again = {"name": "APP.example.com"}
        for project_id in (one, two):
            path = f"/v1/projects/{project_id}/domains"
            status, message = await api.request("POST", path, json=again)
            assert (status, "app.example.com" in message) == (422, True)
        assert (await api.request("DELETE", f"/v1/projects/{one}/domains/{domain['id']}"))[0] == 200
        await add(api, two, "app.example.com")


async def test_a_project_has_at_most_20_domains(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project()
        for number in range(20):
            await add(api, project_id, f"app-{number}.example.com")
        path = f"/v1/projects/{project_id}/domains"
        status, message = await api.request("POST", path, json={"name": "one.example.com"})
        assert (status, "20 domains" in message) == (422, True)


async def test_ids_of_nothing_are_not_found(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        project_id, other = await api.create_project(), await api.create_project("other-app")
        path = f"/v1/projects/{project_id}/domains"
        elsewhere = (await api.environment(other))["id"]
        for environment_id in (NOWHERE, elsewhere):
            body = {"name": "app.example.com", "environmentId": environment_id}
            status, message = await api.request("POST", path, json=body)
            assert (status, environment_id in message) == (404, True)
        domain = await add(api, project_id, "app.example.com")
        for wrong in (f"{path}/{NOWHERE}", f"/v1/projects/{other}/domains/{domain['id']}"):
            assert (await api.request("DELETE", wrong))[0] == 404
            assert (await api.request("POST", f"{wrong}/refresh"))[0] == 404
            assert (await api.request("PUT", f"{wrong}/environment", json={}))[0] == 404


async def test_only_an_active_domain_goes_to_an_environment_that_serves(tmp_path: Path) -> None:
    async with platform_with_dns(tmp_path) as (api, zone):
        project_id = await api.create_project()
        environment_id = (await api.environment(project_id))["id"]
        pending = await add(api, project_id, "pending.example.com")
        status, message = await assign(api, project_id, pending, environment_id)
        assert (status, "pending" in message) == (422, True)
        active = await verified(api, zone, project_id, "active.example.com")
        status, message = await assign(api, project_id, active, environment_id)
        assert (status, message.startswith("environmentId")) == (422, True)
        assert (await assign(api, project_id, active, NOWHERE))[0] == 404


async def test_a_verified_domain_leads_to_its_environment_until_it_is_taken_away(
    tmp_path: Path,
) -> None:
    async with platform_with_dns(tmp_path) as (api, zone):
        deployment = await api.deploy({"main.py": ANSWERING})
        project_id = deployment["projectId"]
        environment_id = (await api.environment(project_id))["id"]
        domain = await verified(
            api, zone, project_id, "app.example.com", environmentId=environment_id
        )
        await verified(api, zone, project_id, "idle.example.com")
        assert await page_of(api, "App.Example.com:80") == (200, "hello")
        assert (await page_of(api, "idle.example.com"))[0] == 404
        extra = (await api.environment(project_id))["extra"]
        assert extra["customDomains"] == ["app.example.com"]
        assert (await page_of(api, extra["hostEndpoint"].partition("//")[2]))[1] == "hello"
        assert (await assign(api, project_id, domain, None))[0] == 200
        assert (await page_of(api, "app.example.com"))[0] == 404
        assert (await api.environment(project_id))["extra"]["customDomains"] == []
        assert (await assign(api, project_id, domain, environment_id))[0] == 200
        assert await page_of(api, "app.example.com") == (200, "hello")
        path = f"/v1/projects/{project_id}/domains/{domain['id']}"
        assert (await api.request("DELETE", path))[0] == 200
        assert (await page_of(api, "app.example.com"))[0] == 404


async def test_a_pending_domain_leads_nowhere(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy({"main.py": ANSWERING})
        project_id = deployment["projectId"]
        environment_id = (await api.environment(project_id))["id"]
        await add(api, project_id, "app.example.com", environmentId=environment_id)
        assert (await page_of(api, "app.example.com"))[0] == 404


async def test_domains_lead_where_they_did_after_a_restart(tmp_path: Path) -> None:
    async with platform_with_dns(tmp_path) as (api, zone):
        deployment = await api.deploy({"main.py": ANSWERING})
        project_id = deployment["projectId"]
        environment_id = (await api.environment(project_id))["id"]
        await verified(api, zone, project_id, "app.example.com", environmentId=environment_id)
    async with running_platform(tmp_path) as api:
        await api.wait(project_id, deployment["id"], "deployed")
        assert await page_of(api, "app.example.com") == (200, "hello")


async def test_the_domains_of_a_deleted_project_are_free_again(tmp_path: Path) -> None:
    async with platform_with_dns(tmp_path) as (api, zone):
        project_id = await api.create_project()
        await verified(api, zone, project_id, "app.example.com")
        await api.request("DELETE", f"/v1/projects/{project_id}")
        await api.until_gone(f"/v1/projects/{project_id}")
        await add(api, await api.create_project("next-app"), "app.example.com")


async def test_a_name_that_nobody_proved_for_a_day_can_be_claimed_by_others(
    tmp_path: Path,
) -> None:
    clock = Clock()
    async with running_platform(tmp_path, now=clock) as api:
        first, second = await api.create_project("first"), await api.create_project("second")
        await add(api, first, "app.example.com")
        clock.moment += timedelta(hours=23)
        claim = {"name": "app.example.com"}
        status, _ = await api.request("POST", f"/v1/projects/{second}/domains", json=claim)
        assert status == 422
        clock.moment += timedelta(hours=2)
        await add(api, second, "app.example.com")
        assert await api.get(f"/v1/projects/{first}/domains") == []


async def test_a_proven_name_is_kept_for_longer_than_a_day(tmp_path: Path) -> None:
    clock = Clock()
    with dns_server() as (zone, address):
        async with running_platform(tmp_path, now=clock, dns_servers=(address,)) as api:
            first, second = await api.create_project("first"), await api.create_project("second")
            await verified(api, zone, first, "app.example.com")
            clock.moment += timedelta(days=30)
            claim = {"name": "app.example.com"}
            status, _ = await api.request("POST", f"/v1/projects/{second}/domains", json=claim)
    assert status == 422


@asynccontextmanager
async def checked_often(root: Path) -> AsyncIterator[tuple[Api, Zone, str]]:
    """A platform that soon notices where its one domain leads, and the domain's project."""
    with dns_server() as (zone, address):
        async with running_platform(
            root, dns_servers=(address,), domain_check_interval_s=0.05
        ) as api:
            deployment = await api.deploy({"main.py": ANSWERING})
            project_id = deployment["projectId"]
            environment_id = (await api.environment(project_id))["id"]
            await verified(api, zone, project_id, "app.example.com", environmentId=environment_id)
            assert (await page_of(api, "app.example.com"))[0] == 200
            yield api, zone, project_id


async def test_a_domain_that_leads_elsewhere_is_routed_no_more(tmp_path: Path) -> None:
    async with checked_often(tmp_path) as (api, zone, project_id):
        zone.lines.clear()

        async def is_given_up() -> bool:
            return (await page_of(api, "app.example.com"))[0] == 404

        await eventually(is_given_up)
        domain = await listed(api, project_id)
        assert domain["status"] == "pending"
        assert domain["failedVerificationCount"] == 3
        assert "not verified" in domain["message"]


async def test_a_silent_dns_server_takes_no_domain_away(tmp_path: Path) -> None:
    async with checked_often(tmp_path) as (api, zone, project_id):
        zone.failure = "SERVFAIL"
        await anyio.sleep(1)
        assert (await listed(api, project_id))["status"] == "active"
        assert (await page_of(api, "app.example.com"))[0] == 200


async def test_a_check_that_succeeds_forgets_those_that_failed(tmp_path: Path) -> None:
    with dns_server() as (zone, address):
        async with running_platform(tmp_path, dns_servers=(address,)) as api:
            project_id = await api.create_project()
            await verified(api, zone, project_id, "app.example.com")
            async with open_domains(tmp_path) as domains:
                checks = Reverification(
                    domains=domains, dns=DnsCheck((address,)), follow=ignore, interval_s=60
                )
                kept = list(zone.lines)
                for _ in range(4):
                    zone.lines.clear()
                    await checks.check_all()
                    await checks.check_all()
                    assert (await listed(api, project_id))["failedVerificationCount"] == 2
                    zone.lines.extend(kept)
                    await checks.check_all()
                    domain = await listed(api, project_id)
                    assert (domain["status"], domain["failedVerificationCount"]) == ("active", 0)


async def ignore(_environment_id: str | None) -> None:
    """Nothing is routed."""


@asynccontextmanager
async def open_domains(root: Path) -> AsyncIterator[Domains]:
    """The domains of a platform that runs, written by another hand."""
    data_dir = DataDir(root)
    async with open_store(
        data_dir.database,
        app_ports=range(20_000, 20_100),
        sealer=Sealer(data_dir.sealing_key),
        now=utc_now,
    ) as store:
        yield store.domains
