"""Pushes against a small model: what each branch deploys, and what no branch does twice."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from typing_extensions import override

from createos_mcp.contract.values import Json
from createos_mcp.platform import daemon
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.paths import DataDir
from tests.platform.git.working_copies import STAGING, WorkingCopy
from tests.platform.owners import Owner, model_runs

ALONE = "other"
"""A branch that no environment takes."""

BRANCHES = st.sampled_from(["main", "next", "docs/help", "feature/a", "feature/b", ALONE])
ENVIRONMENTS = {"main": "production", "next": "staging"}
"""Those that last, by the branch that they take."""


@dataclass(kw_only=True)
class Built:
    branch: str
    commit: str


class Pushing(RuleBasedStateMachine):
    config: ClassVar[PlatformConfig]
    url: ClassVar[str]
    runs: ClassVar[int] = 0
    deployed: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        Pushing.runs += 1
        self.owner = Owner(self.config, self.url, f"pusher-{self.runs}")
        self.folder = TemporaryDirectory()
        self.path = self.make_project()
        remote = f"{self.url}/git/{self.owner.name}/pushed.git"
        self.copy = WorkingCopy(Path(self.folder.name, "copy"), remote, self.owner.key)
        self.count = 0
        self.remote: dict[str, str] = {}
        """Commits of the branches that were pushed."""
        self.built: list[Built] = []
        """Oldest first."""
        self.serves: dict[str, str] = {}
        """Commit by the branch of an environment."""
        # The first push decides which branch is the default.
        self.push("main", self.commit())

    def make_project(self) -> str:
        source = {"vcsName": "github", "vcsInstallationId": "1", "vcsRepoId": "pushed"}
        project = {"uniqueName": "pushed-app", "displayName": "Pushed", "type": "vcs"}
        settings = {"useBuildAI": True, "ignoreBranches": ["docs/*"]}
        status, made = self.owner.call(
            "POST", "/v1/projects", {**project, "source": source, "settings": settings}
        )
        assert status == 201, made
        path = f"/v1/projects/{made['id']}"
        previews = {"previewBranches": ["feature/*"]}
        assert self.owner.call("PUT", f"{path}/runtime-settings", previews)[0] == 200
        assert self.owner.call("POST", f"{path}/environments", STAGING)[0] == 201
        return path

    @override
    def teardown(self) -> None:
        self.owner.call("DELETE", self.path)
        self.owner.eventually(self.path, lambda status, _: status == 404)
        self.owner.client.close()
        self.folder.cleanup()

    def commit(self) -> str:
        self.count += 1
        return self.copy.commit({"index.html": f"<title>{self.count}</title>"})

    def push(self, branch: str, commit: str) -> None:
        """Push what is checked out, and expect what it brings."""
        self.copy.git("push", "--quiet", "--force", "origin", f"{commit}:refs/heads/{branch}")
        if self.remote.get(branch) == commit:
            return
        self.remote[branch] = commit
        if not branch.startswith("docs/"):
            self.built.append(Built(branch=branch, commit=commit))
            Pushing.deployed += 1
        if branch in ENVIRONMENTS or branch.startswith("feature/"):
            self.serves[branch] = commit

    @rule(branch=BRANCHES)
    def push_a_commit(self, branch: str) -> None:
        self.push(branch, self.commit())

    @rule(branch=BRANCHES, other=BRANCHES)
    def push_what_another_branch_has(self, branch: str, other: str) -> None:
        if other in self.remote:
            self.push(branch, self.remote[other])

    @rule(branch=BRANCHES)
    def push_once_more(self, branch: str) -> None:
        if branch in self.remote:
            self.push(branch, self.remote[branch])

    @rule()
    def push_all_at_once_with_a_tag(self) -> None:
        commit = self.commit()
        self.copy.git("tag", f"v{self.count}")
        self.copy.git("push", "--quiet", "origin", f"v{self.count}")
        self.push("main", commit)

    @rule(branch=BRANCHES)
    def delete(self, branch: str) -> None:
        # The default branch of a repository cannot be deleted.
        if branch in self.remote and branch != "main":
            self.copy.git("push", "--quiet", "origin", "--delete", branch)
            del self.remote[branch]
            if branch.startswith("feature/"):
                del self.serves[branch]

    @rule()
    def ask_for_the_newest(self) -> None:
        status, told = self.owner.call("POST", f"{self.path}/trigger-latest?branch=main")
        assert (status, "already" in told) == (200, True), told

    @invariant()
    def each_push_is_one_deployment(self) -> None:
        newest = {one.branch: number for number, one in enumerate(self.built)}
        expected = [
            (
                number + 1,
                one.branch,
                one.commit,
                # What no environment takes runs at its own address.
                one.branch == ALONE or (one.branch in self.serves and newest[one.branch] == number),
            )
            for number, one in enumerate(self.built)
        ]

        def is_so(_: int, page: Json) -> bool:
            return [
                (
                    row["versionNumber"],
                    row["source"]["branch"],
                    row["source"]["commit"],
                    row["status"] == "deployed",
                )
                for row in reversed(page["data"])
            ] == expected[-20:]

        self.owner.eventually(f"{self.path}/deployments?limit=20", is_so)

    @invariant()
    def each_environment_serves_its_branch(self) -> None:
        expected = {branch: self.serves.get(branch) for branch in (*ENVIRONMENTS, *self.serves)}

        def is_so(_: int, rows: Json) -> bool:
            commits = {
                row["id"]: row["source"]["commit"]
                for row in self.owner.get(f"{self.path}/deployments?limit=20")["data"]
            }
            shown = {
                row["branch"] or "main": commits.get(row["projectDeploymentId"]) for row in rows
            }
            return shown == expected

        self.owner.eventually(f"{self.path}/environments", is_so)


@pytest.fixture(scope="module")
def git_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    Pushing.config = PlatformConfig(data_dir=DataDir(tmp_path_factory.mktemp("pushing")))
    try:
        running = daemon.ensure_running(Pushing.config, {"PATH": "/usr/local/bin:/usr/bin:/bin"})
        Pushing.url = running.api_url
        yield
    finally:
        daemon.stop_platform(Pushing.config)


@pytest.mark.examples
@pytest.mark.usefixtures("git_host")
def test_pushes_do_what_their_model_does() -> None:
    run_state_machine_as_test(Pushing, settings=model_runs(runs=4, steps=10))
    assert Pushing.deployed, "nothing was deployed"
