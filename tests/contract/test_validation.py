import pytest

from createos_mcp.contract.catalog import load_catalog
from createos_mcp.contract.validation import Validation
from createos_mcp.contract.values import Json

OPERATIONS = load_catalog().operations

UPLOAD = {
    "uniqueName": "my-app",
    "displayName": "My app",
    "type": "upload",
    "source": {},
    "settings": {"runtime": "node:20", "port": 3000},
}

IMAGE = {**UPLOAD, "type": "image", "settings": {"port": 80, "runEnvs": {"A": "1"}}}


def problems(tool: str, arguments: Json, **facts: str) -> dict[str, str]:
    """Path to message."""
    found = Validation().check(OPERATIONS[tool], arguments, facts=facts)
    return {problem.path: problem.message for problem in found}


def test_every_problem_is_reported_at_once_with_its_path() -> None:
    arguments = {
        "uniqueName": "a b",
        "type": "uplod",
        "source": {},
        "settings": {"port": 99_999, "runtyme": "node:20", "runEnvs": {"A": 1}},
        "extra": 1,
    }
    assert problems("CreateProject", arguments).keys() == {
        "displayName",
        "uniqueName",
        "type",
        "settings.port",
        "settings.runtyme",
        "settings.runEnvs.A",
        "extra",
    }


@pytest.mark.parametrize(
    ("tool", "arguments", "path", "message"),
    [
        ("GetProject", {}, "project_id", "required, expected a string"),
        ("GetProject", {"project_id": 7}, "project_id", "expected a string, got 7 (integer)"),
        (
            "GetProject",
            {"project_id": "x", "projct": 1},
            "projct",
            "unknown; did you mean 'project_id'?",
        ),
        (
            "CreateProject",
            {**UPLOAD, "type": "uplod"},
            "type",
            "expected one of vcs, image, upload, got \"uplod\" (string); did you mean 'upload'?",
        ),
        (
            "ListProjects",
            {"limit": 21},
            "limit",
            "expected at most 20, got 21 (integer)",
        ),
        (
            "CreateProject",
            {**UPLOAD, "uniqueName": "my app"},
            "uniqueName",
            'expected only letters, digits and hyphens, got "my app" (string)',
        ),
        (
            "UploadDeploymentFiles",
            {"project_id": "x", "files": [{"path": "a", "content": "b"}, {"path": "c"}]},
            "files[1].content",
            "required, expected a string",
        ),
        (
            "UploadDeploymentFiles",
            {"project_id": "x", "files": []},
            "files",
            "expected at least 1 item, got an array of 0",
        ),
    ],
)
def test_a_problem_says_what_was_expected_what_came_and_what_is_near(
    tool: str, arguments: Json, path: str, message: str
) -> None:
    assert problems(tool, arguments)[path] == message


@pytest.mark.parametrize(
    ("arguments", "path", "words"),
    [
        (
            {**IMAGE, "settings": {"port": 80, "runtime": "node:20"}},
            "settings.runtime",
            ("'image'", "vcs", "upload"),
        ),
        ({**IMAGE, "settings": {}}, "settings.port", ("required", "'image'")),
        (
            {**UPLOAD, "source": {"vcsName": "github"}},
            "source.vcsName",
            ("'upload'", "vcs"),
        ),
        ({**UPLOAD, "type": "vcs"}, "source.vcsName", ("required", "'vcs'")),
    ],
)
def test_a_field_of_another_project_type_says_which_type_takes_it(
    arguments: Json, path: str, words: tuple[str, ...]
) -> None:
    message = problems("CreateProject", arguments)[path]
    for word in words:
        assert word in message


def test_settings_of_a_stored_project_are_checked_against_its_type() -> None:
    change = {"project_id": "x", "port": 80, "runtime": "node:20"}
    assert "runtime" in problems("UpdateProjectSettings", change, type="image")
    assert problems("UpdateProjectSettings", change, type="upload") == {}
    assert problems("UpdateProjectSettings", change) == {}


def test_a_good_call_has_no_problem() -> None:
    assert problems("CreateProject", UPLOAD) == {}
    assert problems("CreateProject", IMAGE) == {}


@pytest.mark.parametrize(
    "settings",
    [
        {"runEnvs": {"TOKEN": ["hunter2"]}},
        {"buildVars": "hunter2"},
        {"runEnvs": {"TOKEN": {"value": "hunter2"}}},
    ],
)
def test_values_of_variables_are_never_repeated(settings: Json) -> None:
    found = problems("UpdateProjectSettings", {"project_id": "x", **settings})
    assert found
    assert "hunter2" not in str(found)


def test_values_of_headers_are_never_repeated() -> None:
    found = problems("CreateCronjob", {"settings": {"headers": "hunter2"}})
    assert any("headers" in path for path in found)
    assert "hunter2" not in str(found)


def test_a_long_value_is_cut() -> None:
    (message,) = problems("ListProjects", {"limit": "x" * 5_000}).values()
    assert len(message) < 200


@pytest.mark.parametrize("moment", ["2030-12-31T23:59:59Z", "2030-12-31T23:59:59+02:00"])
def test_a_date_with_its_zone_is_taken(moment: str) -> None:
    assert problems("CreateAPIKey", {"name": "deploy-bot", "expiryAt": moment}) == {}


@pytest.mark.parametrize("moment", ["2030-12-31T23:59:59", "tomorrow", ""])
def test_a_date_without_its_zone_is_a_problem_that_shows_a_good_one(moment: str) -> None:
    found = problems("CreateAPIKey", {"name": "deploy-bot", "expiryAt": moment})
    assert "2030-12-31T23:59:59Z" in found["expiryAt"]
