"""Canaries in every member of every answer, searched for where they must not be."""

import base64
import json
import logging
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from createos_mcp.answers.redaction import MemberKind, Redaction, SecretTable
from createos_mcp.contract.operations import Operation
from createos_mcp.contract.values import MASK, Json, Schema
from tests.agents import CATALOG, agent, data_of, remote_agent, text_of
from tests.apis import Asked
from tests.bindings import CASES
from tests.eras import Era, both_eras

ID = "3f0c9a52-0000-4000-8000-000000000001"

ARGUMENTS = {case["operation"]: case["arguments"] for case in CASES}

MAPS = ("runEnvs", "buildVars", "buildFlags", "headers", "RUN_ENVS", "environment_variables")
VALUES = ("secret", "token", "apiKey", "api_key", "accessToken", "password", "clientSecret")
"""Names by which secrets could come, in members that no schema mentions too."""


def plant(planted: list[str]) -> dict[str, Json]:
    """An object that holds secrets in every member that can."""

    def secret(place: str) -> str:
        planted.append(f"canary-{len(planted)}-{place}-nest")
        return planted[-1]

    held: dict[str, Json] = {name: secret(name) for name in VALUES}
    held |= {name: {"API_URL": secret(name)} for name in MAPS}
    held["env"] = [{"name": "LISTED", "value": secret("env")}]
    return held


def fill(schema: Schema, planted: list[str]) -> Json:
    """A value of this schema with secrets in it and beyond it, several levels deep."""
    kinds = [schema, *schema.get("anyOf", ())]
    kind = next((known["type"] for known in kinds if known.get("type", "null") != "null"), "string")
    if kind == "object":
        members = {
            name: fill(member, planted)
            for name, member in schema.get("properties", {}).items()
            if name not in {*VALUES, *CATALOG.secrets.public}
        }
        return {**members, **plant(planted), "deeper": {"still": [plant(planted)]}}
    if kind == "array":
        return [fill(schema.get("items", {"type": "string"}), planted)]
    return {"integer": 7, "number": 7, "boolean": True}.get(kind, "harmless")


def answers(operation: Operation, planted: list[str]) -> Iterator[tuple[int, Json]]:
    """What the API may answer: records, lists and pages, and failures of every form."""
    record = fill(operation.output_schema, planted)
    record = {name: held for name, held in record.items() if name not in operation.issues}
    items = record.get("items", [])
    echo = " ".join(found(planted, json.dumps(record)))
    noted = {**record, "note": echo}
    for data in (items, {"data": items, "pagination": {"total": 1}}, noted):
        yield 200, {"status": "success", "data": data}
    yield 400, {"status": "fail", "data": noted}
    yield 422, {"success": False, "message": json.dumps(noted), "errors": noted}
    yield 500, {"error": {"code": "x", "message": echo, "details": noted}}


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog


@both_eras
async def test_no_result_error_or_log_line_shows_a_secret(
    era: Era, tmp_path: Path, everything_logged: pytest.LogCaptureFixture
) -> None:
    count = 0
    async with agent(era, key_directory=tmp_path / "keys") as here:
        for operation in CATALOG.operations.values():
            planted: list[str] = []
            for here.api.status, here.api.answer in answers(operation, planted):
                result = await here.call(operation.name, **ARGUMENTS[operation.name])
                assert found(planted, result.model_dump_json()) == [], operation.name
            count += len(planted)
    assert count > len(CATALOG.operations) * 20
    assert "canary-" not in everything_logged.text


def found(planted: list[str], text: str) -> list[str]:
    return [canary for canary in planted if canary in text]


@both_eras
async def test_a_secret_among_the_arguments_is_masked_in_what_comes_back(era: Era) -> None:
    arguments = {"project_id": ID, "runEnvs": {"DATABASE_URL": "canary-given-value"}}
    async with agent(era) as here:
        here.api.status = 400
        here.api.answer = {"status": "fail", "data": "DATABASE_URL canary-given-value is bad"}
        result = await here.call("UpdateProjectSettings", **arguments)
    *_, asked = here.api.asked
    assert asked.body["runEnvs"] == {"DATABASE_URL": "canary-given-value"}
    assert f"DATABASE_URL {MASK} is bad" in text_of(result)


@both_eras
async def test_a_secret_seen_in_a_look_up_is_masked_in_the_log_that_repeats_it(era: Era) -> None:
    async with agent(era) as here:
        project = {"id": ID, "uniqueName": "my-app", "settings": {"runEnvs": {"K": "canary-seen"}}}
        here.api.data["/v1/projects"] = [project]
        here.api.answer = {"status": "success", "data": "connecting with canary-seen"}
        arguments = {"project_id": "my-app", "deployment_id": ID}
        result = await here.call("GetDeploymentLogs", **arguments)
    assert "connecting with" in text_of(result)
    assert "canary-seen" not in result.model_dump_json()


LEAKS = {
    "a key of this platform": "skp_0123456789abcdef",
    "a token of GitHub": "ghp_" + "a1" * 18,
    "a key of AWS": "AKIAIOSFODNN7EXAMPLE",
    "a JWT": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqb2huIn0.c2lnbmF0dXJl",
    "a password in an address": "postgres:hunter2-canary",
}


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
async def test_what_looks_like_a_secret_is_masked_in_a_log(leak: str) -> None:
    async with agent() as here:
        log = f"DB_PASSWORD={leak}\nconnecting to postgresql://{leak}@db/app"
        here.api.answer = {"status": "success", "data": log}
        result = await here.call("GetDeploymentLogs", project_id=ID, deployment_id=ID)
    assert leak not in result.model_dump_json()
    assert MASK in text_of(result)


@both_eras
@pytest.mark.parametrize(
    "tool", [n for n, o in CATALOG.operations.items() if "reveal" in o.http.unsent]
)
async def test_one_variable_is_shown_when_it_is_asked_for_and_no_other(era: Era, tool: str) -> None:
    variables = {"PUBLIC_URL": "canary-wanted", "API_TOKEN": "canary-unwanted"}
    record = {"id": ID, "settings": {"runEnvs": variables}}
    async with agent(era, unasked="proceed") as here:
        listed = "items" in CATALOG.operations[tool].output_schema["properties"]
        here.api.answer = {"status": "success", "data": [record] if listed else record}
        masked = await here.call(tool, **ARGUMENTS[tool])
        shown = await here.call(tool, **ARGUMENTS[tool], reveal="PUBLIC_URL")
    assert "canary" not in masked.model_dump_json()
    assert "PUBLIC_URL" in text_of(masked)
    assert "canary-wanted" in text_of(shown)
    assert "canary-unwanted" not in shown.model_dump_json()
    assert all("reveal" not in asked.path for asked in here.api.asked)


async def test_names_addresses_and_ordinary_values_are_not_masked() -> None:
    variables = {"NODE_ENV": "production", "URL": "https://my-app.example.org", "PORT": "3000"}
    record = {
        "id": ID,
        "uniqueName": "production",
        "settings": {"runEnvs": variables, "buildCommand": "npm run build -- --mode production"},
        "extra": {"endpoint": "https://my-app.example.org"},
    }
    async with agent() as here:
        here.api.answer = {"status": "success", "data": record}
        data = data_of(await here.call("GetProject", project_id=ID))
    assert data["uniqueName"] == "production"
    assert data["extra"] == record["extra"]
    assert data["settings"]["buildCommand"] == "npm run build -- --mode production"
    assert data["settings"]["runEnvs"] == dict.fromkeys(variables, MASK)


async def test_what_can_be_set_is_described_and_not_masked() -> None:
    editables = {"runEnvs": {"type": "object", "default": "", "required": False}}
    async with agent() as here:
        here.api.answer = {"status": "success", "data": {"id": ID, "editables": editables}}
        data = data_of(await here.call("GetProject", project_id=ID))
    assert data["editables"] == editables


@both_eras
async def test_a_mask_that_comes_back_as_a_value_is_refused(era: Era) -> None:
    async with agent(era) as here:
        arguments = {"project_id": ID, "runEnvs": {"NEW": "1", "OLD": MASK}}
        result = await here.call("UpdateProjectSettings", **arguments)
    assert "OLD: this is the mask" in text_of(result)
    assert here.api.asked == []


NEW_KEY = {"name": "ci-bot", "expiryAt": "2030-01-01T00:00:00Z"}


@both_eras
async def test_a_new_key_goes_to_a_file_that_only_its_owner_reads(era: Era, tmp_path: Path) -> None:
    directory = tmp_path / "data" / "keys"
    async with agent(era, key_directory=directory) as here:
        here.api.answer = {"status": "success", "data": {"id": "k1", "secret": "skp_canary_first"}}
        data = data_of(await here.call("CreateAPIKey", **NEW_KEY))
        here.api.answer = {"status": "success", "data": {"id": "k2", "secret": "skp_canary_other"}}
        other = data_of(await here.call("CreateAPIKey", **NEW_KEY))
    file = Path(data["secretFile"])
    assert file.parent == directory
    assert file.read_text() == "skp_canary_first\n"
    assert Path(other["secretFile"]).read_text() == "skp_canary_other\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert data["secret"] == MASK
    assert "canary" not in json.dumps([data, other])


async def test_a_key_that_was_not_made_leaves_no_file(tmp_path: Path) -> None:
    async with agent(key_directory=tmp_path) as here:
        here.api.status, here.api.answer = 400, {"status": "fail", "data": "too many keys"}
        assert (await here.call("CreateAPIKey", **NEW_KEY)).is_error
    assert list(tmp_path.iterdir()) == []


async def test_no_key_is_made_when_there_is_no_place_for_it(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("a file")
    async with agent(key_directory=tmp_path / "keys") as here:
        result = await here.call("CreateAPIKey", **NEW_KEY)
    assert "make that directory writable" in text_of(result)
    assert here.api.asked == []


@both_eras
async def test_over_http_a_new_key_is_shown_this_once(era: Era, tmp_path: Path) -> None:
    async with remote_agent(era, key_directory=tmp_path / "keys") as there:
        answer = {"id": "k1", "secret": "skp_canary_first"}
        there.api.answer = {"status": "success", "data": answer}
        assert data_of(await there.call("CreateAPIKey", **NEW_KEY)) == answer
    assert not (tmp_path / "keys").exists()


@both_eras
async def test_a_transfer_link_is_the_answer_and_shown(era: Era) -> None:
    token = LEAKS["a JWT"]
    answer = {"token": token, "frontendUri": f"https://example.org/?token={token}"}
    async with agent(era) as here:
        here.api.answer = {"status": "success", "data": answer}
        assert data_of(await here.call("GetProjectTransferUri", project_id=ID)) == answer


TABLE = SecretTable(CATALOG.secrets)
SHOP_VALUE = "value-of-the-shop"


def redaction(**variables: str) -> Redaction:
    """The redaction of a call that was given these variables."""
    made = Redaction(TABLE)
    made.register_secrets({"runEnvs": variables})
    return made


@pytest.mark.parametrize("kept", range(6, len(SHOP_VALUE) + 1))
def test_the_beginning_of_a_secret_at_a_cut_is_masked(kept: int) -> None:
    masked = redaction(KEY=SHOP_VALUE).mask_text(
        f"line {SHOP_VALUE[:kept]}… and {SHOP_VALUE[:kept]}…"
    )

    assert SHOP_VALUE[:6] not in masked
    assert masked.count("…") == 2


def test_a_beginning_that_is_too_short_to_tell_and_one_that_is_not_cut_stay() -> None:
    text = f"{SHOP_VALUE[:5]}… and {SHOP_VALUE[:8]} whole"

    assert redaction(KEY=SHOP_VALUE).mask_text(text) == text


def test_the_longest_secret_is_masked_first() -> None:
    masked = redaction(A="secret-one", B="secret-one-and-more").mask_text("x secret-one-and-more y")

    assert masked == f"x {MASK} y"


@pytest.mark.parametrize("value", ["short", "production", "PRODUCTION"])
def test_a_value_that_is_short_or_common_is_masked_only_in_its_place(value: str) -> None:
    here = redaction(MODE=value)

    assert here.mask_text(f"mode {value}") == f"mode {value}"
    assert here.mask({"runEnvs": {"MODE": value}}) == {"runEnvs": {"MODE": MASK}}


def test_a_revealed_variable_is_shown_and_the_others_are_not() -> None:
    here = Redaction(TABLE, reveal="A")
    data = {"runEnvs": {"A": "value-of-a", "B": "value-of-b"}}
    here.register_secrets(data)

    assert here.mask(data) == {"runEnvs": {"A": "value-of-a", "B": MASK}}
    assert here.mask_text("value-of-a value-of-b") == f"value-of-a {MASK}"


def test_the_shown_secret_of_an_answer_stays_where_its_name_is_assigned() -> None:
    here = Redaction(TABLE, shown=frozenset({"secret"}))
    here.register_secrets({"id": "k1", "secret": "skp_made_by_this_call"})

    assert here.mask_text("API_KEY=skp_made_by_this_call") == "API_KEY=skp_made_by_this_call"
    assert here.mask_text("API_KEY=skp_of_another_call") == f"API_KEY={MASK}"


def test_a_secret_in_an_indented_line_of_json_is_known_elsewhere() -> None:
    here = Redaction(TABLE)
    here.register_secrets('build started\n  {"runEnvs": {"KEY": "value-of-the-shop"}}')

    assert here.mask_text(SHOP_VALUE) == MASK


@pytest.mark.parametrize("label", ["name", "key"])
def test_a_variable_whose_name_stands_beside_its_value_is_revealed_by_that_name(label: str) -> None:
    here = Redaction(TABLE, reveal="A")
    rows: list[Json] = [{label: "A", "value": "value-of-a"}, {label: "B", "value": "value-of-b"}]
    data = {"runEnvs": rows}
    here.register_secrets(data)

    masked = here.mask(data)

    assert masked["runEnvs"][0]["value"] == "value-of-a"
    assert masked["runEnvs"][1]["value"] == MASK


@both_eras
async def test_a_log_shows_no_variable_of_its_project_though_the_call_named_none(era: Era) -> None:
    async with agent(era) as here:
        project = {"id": ID, "uniqueName": "my-app", "settings": {"buildVars": {"B": "canary-b"}}}
        production = {"id": ID, "settings": {"runEnvs": {"R": "canary-é+r"}}}
        here.api.data[f"/v1/projects/{ID}"] = project
        here.api.data[f"/v1/projects/{ID}/environments"] = [production]
        rows = [{"stage": "build", "log": "has canary"}, {"stage": "build", "log": "-b and more"}]
        here.api.answer = {"status": "success", "data": rows}
        built = await here.call("GetBuildLogs", project_id=ID, deployment_id=ID)
        here.api.answer = {"status": "success", "data": "Y2FuYXJ5LcOpK3I= canary-%C3%A9%2Br"}
        run = await here.call("GetDeploymentLogs", project_id=ID, deployment_id=ID)
    assert "-b and more" not in text_of(built)
    assert f"has {MASK} and more" in text_of(built)
    assert f"{MASK} {MASK}" in text_of(run)


@both_eras
async def test_a_log_is_shown_though_the_variables_cannot_be_read(era: Era) -> None:
    async with agent(era) as here:

        def respond(asked: Asked) -> tuple[int, Json]:
            if "logs" in asked.path:
                return 200, {"status": "success", "data": "ready"}
            return 403, {"status": "fail", "data": "not yours"}

        here.api.respond = respond
        result = await here.call("GetDeploymentLogs", project_id=ID, deployment_id=ID)
    assert "ready" in text_of(result)


@both_eras
async def test_the_secret_that_calls_are_made_with_is_masked_in_answers(era: Era) -> None:
    async with agent(era) as here:
        await here.call("GetProject", project_id=ID)
        sent = here.api.asked[-1].headers["x-api-key"]
        note = f"you sent {base64.b64encode(sent.encode()).decode()} and {sent}"
        here.api.answer = {"status": "success", "data": {"id": ID, "note": note}}
        result = await here.call("GetProject", project_id=ID)
    assert f"you sent {MASK} and {MASK}" in text_of(result)


def test_names_of_any_length_are_read_and_only_short_ones_kept() -> None:
    table = SecretTable(CATALOG.secrets)
    for number in range(100):
        table.kind_of("x" * 1_000_000 + str(number))
    assert table.kind_of("a" * 10_000 + "ApiKey") is MemberKind.OTHER
    kept = table._kinds  # noqa: SLF001 - it shows nowhere else
    assert sum(map(len, kept)) < 100_000
