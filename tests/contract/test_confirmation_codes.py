"""Calls that a person allows in a terminal, because the client cannot ask."""

import json
import re
import time
from pathlib import Path

import mcp_types
import pytest

from createos_mcp.contract.confirmation_codes import MAX_PENDING, ConfirmationCodes
from createos_mcp.contract.values import Json
from tests.agents import Agent, Person, agent, remote_agent, text_of
from tests.calls.test_confirmation import ID, OTHER, PROJECT, Place, fill
from tests.eras import Era, both_eras

CODE = re.compile(r"createos-mcp confirm ([A-Z2-9]{4}-[A-Z2-9]{4})`")


async def refused_with_code(here: Agent, tool: str, **arguments: Json) -> str:
    result = await here.call(tool, **arguments)
    assert result.is_error
    found = CODE.search(text_of(result))
    assert found, text_of(result)
    return found[1]


@both_eras
@pytest.mark.parametrize("place", [agent, remote_agent])
async def test_a_call_passes_once_after_a_person_allowed_it(
    era: Era, place: Place, tmp_path: Path
) -> None:
    codes = ConfirmationCodes(tmp_path)
    async with place(era, unasked="code", codes=codes) as here:
        fill(here)
        code = await refused_with_code(here, "DeleteProject", project_id="my-app")
        pending = codes.find(code)
        again = await refused_with_code(here, "DeleteProject", project_id="my-app")
        assert codes.allow(code.lower().replace("-", " "))
        done = await here.call("DeleteProject", project_id="my-app")
        once_more = await here.call("DeleteProject", project_id="my-app")
    assert pending is not None
    assert pending.text.startswith("Permanently delete the project my-app?")
    assert pending.typed == "my-app"
    assert again != code
    assert not done.is_error
    assert once_more.is_error
    assert here.api.sent("DELETE") == [PROJECT]


async def test_a_code_allows_no_other_call(tmp_path: Path) -> None:
    codes = ConfirmationCodes(tmp_path)
    async with agent(unasked="code", codes=codes) as here:
        fill(here)
        code = await refused_with_code(
            here, "DeleteProjectEnvironment", project_id=ID, environment_id=ID
        )
        codes.allow(code)
        other = await here.call("DeleteProjectEnvironment", project_id=ID, environment_id=OTHER)
    assert other.is_error
    assert here.api.sent("DELETE") == []


async def test_a_code_is_of_no_use_to_another_caller(tmp_path: Path) -> None:
    codes = ConfirmationCodes(tmp_path)
    async with remote_agent(unasked="code", codes=codes, headers={"X-Api-Key": "one"}) as one:
        fill(one)
        codes.allow(await refused_with_code(one, "DeleteProject", project_id=ID))
    async with remote_agent(unasked="code", codes=codes, headers={"X-Api-Key": "two"}) as two:
        fill(two)
        await refused_with_code(two, "DeleteProject", project_id=ID)
    assert two.api.sent("DELETE") == []


async def test_a_client_that_can_ask_is_told_no_code(tmp_path: Path) -> None:
    person = Person(reply=lambda _: mcp_types.ElicitResult(action="decline"))
    async with agent(person=person, unasked="code", codes=ConfirmationCodes(tmp_path)) as here:
        fill(here)
        result = await here.call("DeleteProject", project_id=ID)
    assert "declined" in text_of(result)
    assert [*tmp_path.iterdir()] == []


async def test_where_no_code_can_be_kept_the_call_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with agent(unasked="code", codes=ConfirmationCodes(tmp_path / "file")) as here:
        fill(here)
        result = await here.call("DeleteProject", project_id=ID)
    assert "CREATEOS_CONFIRM=proceed" in text_of(result)


def issue(codes: ConfirmationCodes, call: str = "call") -> str:
    return codes.issue(call=call, caller="me", text="Do it?", typed="")


def test_what_lies_on_disk_allows_nothing(tmp_path: Path) -> None:
    codes = ConfirmationCodes(tmp_path)
    code = issue(codes)
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o077 == 0
    assert code.replace("-", "") not in file.name + file.read_text()
    assert codes.find(file.stem[:8]) is None


def test_a_code_is_over_after_ten_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = ConfirmationCodes(tmp_path)
    code = issue(codes)
    allowed = issue(codes, "allowed")
    codes.allow(allowed)
    later = time.time() + 601
    monkeypatch.setattr("createos_mcp.contract.confirmation_codes.time.time", lambda: later)
    assert codes.find(code) is None
    assert not codes.allow(code)
    assert not codes.take("allowed", "me")
    assert [*tmp_path.iterdir()] == []


def test_so_many_codes_are_kept_and_the_oldest_go(tmp_path: Path) -> None:
    codes = ConfirmationCodes(tmp_path)
    made = [issue(codes, str(number)) for number in range(MAX_PENDING + 5)]
    assert len([*tmp_path.iterdir()]) == MAX_PENDING
    assert codes.find(made[0]) is None
    assert codes.find(made[-1]) is not None


@pytest.mark.parametrize("code", ["", "ABCD", "../../etc/passwd", "ABCD-EFG0", "\x00"])
def test_what_is_no_code_finds_nothing(tmp_path: Path, code: str) -> None:
    codes = ConfirmationCodes(tmp_path)
    issue(codes)
    assert codes.find(code) is None
    assert not codes.allow(code)


def test_a_damaged_file_allows_nothing(tmp_path: Path) -> None:
    codes = ConfirmationCodes(tmp_path)
    code = issue(codes)
    (file,) = tmp_path.iterdir()
    file.write_text(json.dumps({"is_allowed": True}))
    assert codes.find(code) is None
    assert not codes.take("call", "me")
