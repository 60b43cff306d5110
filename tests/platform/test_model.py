"""The platform against a small model of it: random sequences of calls, no difference allowed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from typing_extensions import override

from createos_mcp.contract.values import Json
from createos_mcp.platform import daemon
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.paths import DataDir
from tests.platform.owners import Owner, model_runs

NAMES = st.sampled_from(["shop-web", "Shop-Web", "blog-web", "wiki-web"])
ENVIRONMENT_NAMES = st.sampled_from(["production", "staging", "preview"])
ENVIRONMENT: Json = {
    "displayName": "Another one",
    "resources": {"cpu": 200, "memory": 512, "replicas": 1},
    "settings": {"runEnvs": {}},
}

WHICH = st.integers(0, 11)
"""Picks one of what is there, whatever its number."""

PORTS = st.sampled_from([0, 3000, 8080])
"""0 is none; below 1024 an app that is not root may not listen."""

UPLOADS = {
    "works": ({"path": "index.html", "content": "x"}, "deployed"),
    "fails": ({"path": "notes.txt", "content": "x"}, "build_error"),
}


@dataclass(kw_only=True)
class Deployment:
    id: str
    version: int
    status: str
    runs_alone: bool = False
    """Whether it runs at its own address, since no environment has taken it so far."""


@dataclass(kw_only=True)
class Environment:
    id: str
    takes_each: bool
    """Whether it takes each good deployment by itself."""
    serves: str | None = None
    variables: dict[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Project:
    id: str
    owner: "Owner"
    name: str
    shown_as: str
    settings: dict[str, Json]
    environments: dict[str, Environment] = field(default_factory=dict)
    """By name."""
    deployments: list[Deployment] = field(default_factory=list)
    """Oldest first."""
    owners: list[str] = field(default_factory=list)
    """Those before the present one, newest first."""

    @property
    def path(self) -> str:
        return f"/v1/projects/{self.id}"

    @property
    def next_version(self) -> int:
        return max((d.version for d in self.deployments), default=0) + 1


class Platform(RuleBasedStateMachine):
    config: ClassVar[PlatformConfig]
    url: ClassVar[str]
    runs: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        Platform.runs += 1
        self.owners = [Owner(self.config, self.url, f"{n}-{self.runs}") for n in ("one", "two")]
        self.projects: list[Project] = []

    @override
    def teardown(self) -> None:
        for project in self.projects:
            project.owner.call("DELETE", project.path)
        for owner in self.owners:
            owner.client.close()

    def named(self, owner: Owner, name: str) -> list[Project]:
        return [p for p in self.projects if p.owner is owner and p.name.lower() == name.lower()]

    @rule(name=NAMES, which=WHICH)
    def create_project(self, name: str, which: int) -> None:
        owner = self.owners[which % 2]
        body = {"uniqueName": name, "displayName": name, "type": "upload", "source": {}}
        chosen = {"useBuildAI": True}
        taken = self.named(owner, name)
        _, free = owner.call("POST", "/v1/projects/available-unique-name", {"uniqueName": name})
        assert free == {"isAvailable": not taken}
        status, data = owner.call("POST", "/v1/projects", {**body, "settings": chosen})
        assert status == (409 if taken else 201), data
        if not taken:
            made = Project(id=data["id"], owner=owner, name=name, shown_as=name, settings=chosen)
            (production,) = owner.get(f"{made.path}/environments")
            made.environments["production"] = Environment(id=production["id"], takes_each=True)
            self.projects.append(made)

    @precondition(lambda self: self.projects)
    @rule(which=WHICH, shown_as=st.sampled_from(["First name", "Second name"]))
    def rename(self, which: int, shown_as: str) -> None:
        project = self.projects[which % len(self.projects)]
        assert project.owner.call("PUT", project.path, {"displayName": shown_as})[0] == 200
        project.shown_as = shown_as

    @precondition(lambda self: self.projects)
    @rule(
        which=WHICH,
        port=PORTS,
        variables=st.sampled_from([{}, {"A": "1"}]),
    )
    def change_settings(self, which: int, port: int, variables: Json) -> None:
        project = self.projects[which % len(self.projects)]
        given = {"port": port, "runEnvs": variables}
        status, _ = project.owner.call("PUT", f"{project.path}/settings", given)
        assert status == (200 if port else 400)
        if port:
            project.settings = {**project.settings, **given}

    @precondition(lambda self: self.projects)
    @rule(which=WHICH, kind=st.sampled_from(sorted(UPLOADS)))
    def upload(self, which: int, kind: str) -> None:
        project = self.projects[which % len(self.projects)]
        file, ends_as = UPLOADS[kind]
        status, data = project.owner.call(
            "PUT", f"{project.path}/deployments/files", {"files": [file]}
        )
        assert status == 200, data
        path = f"{project.path}/deployments/{data['id']}"
        project.owner.eventually(path, lambda _, shown: shown["status"] == ends_as)
        assert project.owner.get(path)["versionNumber"] == project.next_version
        made = Deployment(id=data["id"], version=project.next_version, status=ends_as)
        project.deployments.append(made)
        if ends_as == "deployed":
            taking = [e for e in project.environments.values() if e.takes_each]
            made.runs_alone = not taking
            for environment in taking:
                environment.serves = made.id
            self.settle(project)

    @precondition(lambda self: any(project.deployments for project in self.projects))
    @rule(which=WHICH)
    def cancel_what_has_ended(self, which: int) -> None:
        project, deployment = self.some_deployment(which)
        path = f"{project.path}/deployments/{deployment.id}/cancel"
        assert project.owner.call("POST", path)[0] == 422

    @precondition(lambda self: any(project.deployments for project in self.projects))
    @rule(which=WHICH)
    def delete_deployment(self, which: int) -> None:
        project, deployment = self.some_deployment(which)
        path = f"{project.path}/deployments/{deployment.id}"
        assert project.owner.call("DELETE", path)[0] == 200
        project.owner.eventually(path, lambda status, _: status == 404)
        project.deployments.remove(deployment)
        for environment in project.environments.values():
            environment.serves = None if environment.serves == deployment.id else environment.serves

    def settle(self, project: Project) -> None:
        """What is served nowhere sleeps, except what runs at its own address."""
        served = {environment.serves for environment in project.environments.values()}
        for deployment in project.deployments:
            if deployment.status in {"deployed", "sleeping"}:
                deployment.runs_alone &= deployment.id not in served
                runs = deployment.id in served or deployment.runs_alone
                deployment.status = "deployed" if runs else "sleeping"

    @precondition(lambda self: self.projects)
    @rule(which=WHICH, name=ENVIRONMENT_NAMES, takes_each=st.booleans())
    def create_environment(self, which: int, name: str, *, takes_each: bool) -> None:
        project = self.projects[which % len(self.projects)]
        taken = name in project.environments
        path = f"{project.path}/environments"
        _, free = project.owner.call("POST", f"{path}/available-unique-name", {"uniqueName": name})
        assert free == {"isAvailable": not taken}
        body = {**ENVIRONMENT, "uniqueName": name, "isAutoPromoteEnabled": takes_each}
        status, data = project.owner.call("POST", path, body)
        assert status == (409 if taken else 201), data
        if not taken:
            project.environments[name] = Environment(id=data["id"], takes_each=takes_each)

    @precondition(lambda self: self.projects)
    @rule(which=WHICH, takes_each=st.booleans(), variables=st.sampled_from([{}, {"B": "2"}]))
    def change_environment(self, which: int, variables: Json, *, takes_each: bool) -> None:
        project, name, environment = self.some_environment(which)
        path = f"{project.path}/environments/{environment.id}"
        words = {"displayName": "Changed", "description": "New words"}
        changed = {**words, "isAutoPromoteEnabled": takes_each}
        assert project.owner.call("PUT", path, changed)[0] == 200
        replaced = {"runEnvs": variables}
        assert project.owner.call("PUT", f"{path}/environment-variables", replaced)[0] == 200
        project.environments[name].takes_each = takes_each
        project.environments[name].variables = variables

    @precondition(lambda self: any(project.deployments for project in self.projects))
    @rule(which=WHICH, where=WHICH)
    def assign(self, which: int, where: int) -> None:
        project, deployment = self.some_deployment(which)
        if not project.environments:
            return
        environment = [*project.environments.values()][where % len(project.environments)]
        path = f"{project.path}/environments/{environment.id}/assign-deployment"
        status, message = project.owner.call("POST", path, {"deploymentId": deployment.id})
        fit = deployment.status in {"deployed", "sleeping"}
        assert status == (200 if fit else 422), message
        if fit:
            environment.serves = deployment.id
            project.owner.eventually(f"{project.path}/environments", all_active)
            self.settle(project)

    @precondition(lambda self: self.projects)
    @rule(which=WHICH)
    def delete_environment(self, which: int) -> None:
        project, name, environment = self.some_environment(which)
        if len(project.environments) > 1:
            path = f"{project.path}/environments/{environment.id}"
            assert project.owner.call("DELETE", path)[0] == 200
            del project.environments[name]
            count = len(project.environments)
            project.owner.eventually(
                f"{project.path}/environments", lambda _, rows: len(rows) == count
            )
            self.settle(project)

    def some_environment(self, which: int) -> tuple[Project, str, Environment]:
        found = [(p, name, e) for p in self.projects for name, e in p.environments.items()]
        return found[which % len(found)]

    def some_deployment(self, which: int) -> tuple[Project, Deployment]:
        found = [(project, d) for project in self.projects for d in project.deployments]
        return found[which % len(found)]

    @precondition(lambda self: self.projects)
    @rule(which=WHICH)
    def hand_over(self, which: int) -> None:
        project = self.projects[which % len(self.projects)]
        giver = project.owner
        receiver = next(owner for owner in self.owners if owner is not giver)
        token = giver.get(f"{project.path}/transfer-uri")["token"]
        taken = self.named(receiver, project.name)
        status, data = receiver.call("GET", f"{project.path}/transfer?token={token}")
        assert status == (409 if taken else 200), data
        if not taken:
            project.owner = receiver
            project.owners.insert(0, giver.id)

    @precondition(lambda self: self.projects)
    @rule(which=WHICH)
    def delete_project(self, which: int) -> None:
        project = self.projects.pop(which % len(self.projects))
        assert project.owner.call("DELETE", project.path)[0] == 200
        project.owner.eventually(project.path, lambda status, _: status == 404)

    @invariant()
    def each_owner_sees_their_projects_and_no_others(self) -> None:
        for owner in self.owners:
            page = owner.get("/v1/projects?limit=20")
            expected = [p for p in self.projects if p.owner is owner]
            assert {row["id"] for row in page["data"]} == {p.id for p in expected}
            assert page["pagination"]["total"] == len(expected)
            assert owner.get("/v1/quotas")["projects"]["current"] == len(expected)

    @invariant()
    def each_project_is_as_it_was_made_and_changed(self) -> None:
        for project in self.projects:
            shown = project.owner.get(project.path)
            assert shown["uniqueName"] == project.name
            assert shown["displayName"] == project.shown_as
            assert shown["settings"] == project.settings
            history = project.owner.get(f"{project.path}/transfer-history")
            assert [row["fromUserId"] for row in history] == project.owners

    @invariant()
    def each_deployment_has_its_state_and_each_environment_its_deployment(self) -> None:
        for project in self.projects:
            expected = [(d.id, d.status) for d in reversed(project.deployments)]
            project.owner.eventually(f"{project.path}/deployments?limit=20", lists(expected))
            shown = {
                row["uniqueName"]: (
                    row["projectDeploymentId"],
                    row["isAutoPromoteEnabled"],
                    row["settings"]["runEnvs"],
                )
                for row in project.owner.get(f"{project.path}/environments")
            }
            assert shown == {
                name: (e.serves, e.takes_each, e.variables)
                for name, e in project.environments.items()
            }


def lists(expected: list[tuple[str, str]]) -> Callable[[int, Json], bool]:
    """Whether a page shows these deployments in these states."""
    return lambda _, page: [(row["id"], row["status"]) for row in page["data"]] == expected


def all_active(_: int, environments: Json) -> bool:
    """Whether no environment is being changed."""
    return all(row["status"] == "active" for row in environments)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    Platform.config = PlatformConfig(data_dir=DataDir(tmp_path_factory.mktemp("model")))
    try:
        Platform.url = daemon.ensure_running(Platform.config, {"PATH": "/usr/bin:/bin"}).api_url
        yield
    finally:
        daemon.stop_platform(Platform.config)


@pytest.mark.usefixtures("platform")
def test_the_platform_does_what_its_model_does() -> None:
    run_state_machine_as_test(Platform, settings=model_runs(runs=12, steps=20))
