"""Variables that an app's files ask their host to make up."""

import hashlib
import json
from pathlib import Path

import pytest

from createos_mcp.workflows.generated_secrets import find_generated
from tests.agents import text_of
from tests.eras import Era, both_eras
from tests.workflows.local_agents import saying, working_in

RENDER = """
services:
- type: worker
  runtime: python
  envVars: [{key: OF_WORKER, generateValue: true}]
- type: web
  env: python
  envVars:
  - {key: SECRET_KEY, generateValue: true}
  - {key: DEBUG, value: "0"}
  - {key: 'NOT A NAME', generateValue: true}
  - nonsense
- type: web
  runtime: python
  envVars: [{key: OF_ANOTHER, generateValue: true}]
"""
MADE_UP = {"generator": "secret"}
HEROKU = json.dumps({"env": {"SECRET_KEY": MADE_UP, "SALT": MADE_UP, "A": "b"}})


@pytest.mark.parametrize(
    ("files", "names"),
    [
        ({"render.yaml": RENDER}, ("SECRET_KEY",)),
        ({"app.json": HEROKU}, ("SECRET_KEY", "SALT")),
        ({"render.yaml": RENDER, "app.json": HEROKU}, ("SECRET_KEY", "SALT")),
        ({"app.json": "{", "render.yaml": "a: [b"}, ()),
        ({"app.json": '{"env": []}', "render.yaml": "services: {a: 1}"}, ()),
        ({"render.yaml": "a: !!int ''\nb: !!bool x\nc: !!timestamp y"}, ()),
        ({"app.json": "\ufeff" + HEROKU}, ("SECRET_KEY", "SALT")),
        ({"app.json": json.dumps({"env": {"PORT": MADE_UP, "LD_PRELOAD": MADE_UP}})}, ()),
        ({"main.py": ""}, ()),
    ],
)
def test_files_for_other_hosts_say_which_variables_are_made_up(
    files: dict[str, str], names: tuple[str, ...]
) -> None:
    assert find_generated({path: text.encode() for path, text in files.items()}) == names


TELLING = (
    "import hashlib, os\n"
    "for name in ('SECRET_KEY', 'SALT'):\n"
    "    value = os.environ[name]\n"
    "    print(name, len(value), hashlib.sha256(value.encode()).hexdigest(), value, flush=True)\n"
)


@both_eras
async def test_a_new_project_gets_them_once_and_nobody_is_shown_them(
    era: Era, data_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "main.py").write_text(TELLING + saying("ready"))
    (tmp_path / "app.json").write_text(HEROKU)
    name = f"made-up-{era}"
    call = {"project_id": name, "directory": "."}
    logs = {"project_id": name, "deployment_id": "latest"}
    shown = []
    async with working_in(tmp_path, era, data_dir=data_dir) as agent:
        deployed = await agent.call("Deploy", **call, settings={"runEnvs": {"SALT": "of my own"}})
        assert deployed["source"]["generatedVariables"] == ["SECRET_KEY"]
        shown.append(text_of(await agent.client.call_tool("GetDeploymentLogs", logs)))
        again = await agent.call("Deploy", **call, settings={"runEnvs": {"SALT": "of my own"}})
        assert "generatedVariables" not in again["source"]
        shown.append(text_of(await agent.client.call_tool("GetDeploymentLogs", logs)))
    first, second = shown
    told = [line.partition("SECRET_KEY ")[2].split()[:3] for line in first.splitlines()]
    (length, digest, printed) = next(words for words in told if words)
    assert (length, printed) == ("43", "********")
    assert digest in second
    assert hashlib.sha256(b"of my own").hexdigest() in second
