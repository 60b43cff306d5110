"""What is added to apps that are packaged for another host, run by a shell."""

import subprocess
from pathlib import Path

import pytest

from createos_mcp.platform.build.node_additions import LINK_SERVER, ON_NODE, WITHOUT_ADAPTER


def run(script: str, root: Path) -> None:
    subprocess.run(["/bin/sh", "-ec", script], cwd=root, check=True)


@pytest.mark.parametrize(
    ("script", "adapter"),
    [(ON_NODE, 'node({ mode: "standalone" })'), (WITHOUT_ADAPTER, "undefined")],
)
@pytest.mark.parametrize("name", ["astro.config.mjs", "astro.config.ts"])
def test_astro_has_its_own_configuration_but_for_the_adapter(
    tmp_path: Path, name: str, script: str, adapter: str
) -> None:
    own = "export default { adapter: vercel() };"
    (tmp_path / name).write_text(own)
    run(script, tmp_path)
    first, *_, last = (tmp_path / name).read_text().splitlines()
    assert first == f'import own from "./own.{name}";'
    assert last == f"export default {{ ...own, adapter: {adapter} }};"
    assert (tmp_path / f"own.{name}").read_text() == own


def test_a_server_in_a_folder_of_its_own_is_found_where_others_are(tmp_path: Path) -> None:
    folder = tmp_path / "build/server/nodejs_x"
    folder.mkdir(parents=True)
    (folder / "index.js").write_text("bundle")
    for _ in range(2):
        run(LINK_SERVER, tmp_path)
        assert (tmp_path / "build/server/index.js").read_text() == "bundle"
