"""What is written out of a commit: files as a clone has them, and nothing from elsewhere."""

import os
from pathlib import Path

from tests.platform.git.working_copies import (
    PAGE,
    address_of,
    deployments_of,
    git_platform,
    vcs_project,
    working_copy,
)
from tests.platform.platforms import read_page

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"


async def test_modes_and_links_are_kept_and_links_that_lead_out_are_not(tmp_path: Path) -> None:
    async with git_platform(tmp_path / "data") as api:
        project_id = await vcs_project(
            api, "my-app", useBuildAI=False, runtime="static", buildCommand="./run", buildDir="out"
        )
        copy = working_copy(api, tmp_path / "copy", "my-app")
        (copy.place / "run").write_text("#!/bin/sh\nmkdir out && cat inside > out/index.html\n")
        (copy.place / "run").chmod(0o755)
        (copy.place / "real").write_text("through a link")
        (copy.place / "inside").symlink_to("real")
        (copy.place / "outside").symlink_to("/etc/passwd")
        (copy.place / "folder").mkdir()
        (copy.place / "folder" / "up").symlink_to("..")
        (copy.place / "around").symlink_to("folder/up/../../etc")
        copy.commit({"model.bin": POINTER, ".gitattributes": "real export-ignore\n"})
        pushed = await copy.push("main")
        (row,) = await deployments_of(api, project_id)
        source = tmp_path / "data" / "sources" / row["id"]
        assert await read_page(await address_of(api, project_id)) == "through a link"
        assert not os.path.lexists(source / "outside")
        assert not os.path.lexists(source / "around")
        assert (source / "folder" / "up").is_symlink()
    assert "a link that leads nowhere here: outside" in pushed.said
    assert "these files are pointers, not their content: model.bin" in pushed.said


async def test_submodules_come_from_the_owners_own_repositories_alone(tmp_path: Path) -> None:
    async with git_platform(tmp_path / "data") as api:
        await vcs_project(api, "parts", "parts-app", ignoreBranches=["*"])
        parts = working_copy(api, tmp_path / "parts", "parts")
        parts.commit({"index.html": PAGE.format("a part")})
        assert (await parts.push("main")).ok
        project_id = await vcs_project(api, "my-app", directoryPath="lib/part")
        copy = working_copy(api, tmp_path / "copy", "my-app")
        copy.git(
            "-c", "protocol.file.allow=always", "submodule", "--quiet", "add",
            str(parts.place), "lib/part",
        )  # fmt: skip
        copy.git("config", "--file", ".gitmodules", "submodule.lib/part.url", "../parts.git")
        copy.commit({"README.md": "with a part"})
        assert (await copy.push("main")).ok
        assert await read_page(await address_of(api, project_id)) == PAGE.format("a part")
        elsewhere = "https://example.com/lib.git"
        copy.git("config", "--file", ".gitmodules", "submodule.lib/part.url", elsewhere)
        copy.git("-C", "lib/part", "commit", "--quiet", "--allow-empty", "--message", "Another")
        copy.commit({"README.md": "with another part"})
        pushed = await copy.push("main")
        newest = (await deployments_of(api, project_id))[0]
    assert newest["reasonCode"] == "source_unavailable"
    assert f"the submodule lib/part comes from {elsewhere}" in pushed.said
    assert "push it here and use ../name.git" in newest["reason"]
