"""What names an image, and what is said when it cannot be had."""

import pytest

from createos_mcp.contract.reason_codes import ReasonCode
from createos_mcp.platform.engines.image_references import ImageReference
from createos_mcp.platform.engines.images import explain_refusal
from createos_mcp.platform.errors import InvalidRequestError

DIGEST = "sha256:" + "a" * 64

READ = {
    "nginx": "docker.io/library/nginx:latest",
    "nginx:1.27-alpine": "docker.io/library/nginx:1.27-alpine",
    "team/app": "docker.io/team/app:latest",
    "ghcr.io/team/app:v1": "ghcr.io/team/app:v1",
    "localhost:5000/app": "localhost:5000/app:latest",
    "registry.example.com:5000/a/b/c:1.0": "registry.example.com:5000/a/b/c:1.0",
    "127.0.0.1:5000/app:x": "127.0.0.1:5000/app:x",
    f"app@{DIGEST}": f"docker.io/library/app@{DIGEST}",
    f"ghcr.io/team/app:v1@{DIGEST}": f"ghcr.io/team/app@{DIGEST}",
    "my-discord-bot:v1.0.0": "docker.io/library/my-discord-bot:v1.0.0",
}


@pytest.mark.parametrize(("text", "whole"), READ.items())
def test_a_reference_is_read_as_engines_read_it(text: str, whole: str) -> None:
    assert ImageReference.parse(text).text == whole


@pytest.mark.parametrize(
    "text",
    [
        "", " nginx", "Nginx", "nginx:", "nginx:a b", "http://ghcr.io/a", "../etc/passwd", "-nginx",
        "nginx@sha256:abc", "nginx latest", "a" * 600, "nginx\n", "host/UPPER:1", "nginx:tag/more",
    ],
)  # fmt: skip
def test_what_is_no_reference_is_refused_with_its_forms(text: str) -> None:
    with pytest.raises(
        InvalidRequestError, match=r"image: .* is not an image reference. Use name:tag"
    ):
        ImageReference.parse(text)


SAID = {
    "wrong name": (
        "manifest for x not found: manifest unknown",
        "has no team/app with this tag v1",
    ),
    "no credentials": ("no basic auth credentials", "gives no access to team/app"),
    "wrong credentials": ("unauthorized: authentication required", "registry login` gives"),
    "unreachable": ("dial tcp 10.0.0.1:443: connect: connection refused", "cannot be reached"),
    "wrong machine": (
        "no matching manifest for linux/amd64 in the manifest list entries",
        "architecture",
    ),
    "anything else": ("something odd", "cannot be pulled: something odd"),
}


@pytest.mark.parametrize(("said", "sentence"), SAID.values(), ids=SAID)
def test_what_goes_wrong_with_a_registry_is_told_apart(said: str, sentence: str) -> None:
    code, text = explain_refusal(ImageReference.parse("ghcr.io/team/app:v1"), said)
    assert sentence in text
    assert code in {ReasonCode.IMAGE_UNAVAILABLE, ReasonCode.IMAGE_UNUSABLE}
