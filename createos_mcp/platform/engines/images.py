"""Images of a container engine: found out by digest, pulled, and told about."""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from anyio import to_thread

from createos_mcp.contract.reason_codes import ReasonCode
from createos_mcp.contract.values import Json
from createos_mcp.platform.build.build_command import OnLines
from createos_mcp.platform.engines.docker_api import DockerApi
from createos_mcp.platform.engines.image_references import ImageReference
from createos_mcp.platform.errors import BuildFailedError, EngineAwayError, EngineRefusedError
from createos_mcp.platform.release_records import ImageRelease
from createos_mcp.platform.store.registry_credentials import RegistryLogin

PLATFORM = "createos.platform"
"""Label of what a platform has made on an engine: whose it is."""

_NOT_FOUND = 404
_NO_SUCH_CALL = (_NOT_FOUND, "Not Found")
"""What an engine says where it has no such call: a text, and no reason of its own."""

_UNKNOWN = ("manifest unknown", "not found", "name unknown", "does not exist")
_NO_ACCESS = ("no basic auth", "unauthorized", "denied", "authentication required")
_WRONG_MACHINE = ("no matching manifest", "no match for platform", "does not match the specified")
_UNREACHABLE = (
    "connection refused", "no such host", "i/o timeout", "deadline exceeded", "dial tcp",
    "server gave http response to https client", "tls", "certificate", "network is unreachable",
)  # fmt: skip
"""What engines say, in lower case, of what goes wrong with a registry."""

_NOBODY = base64.urlsafe_b64encode(b"{}").decode()
_SHOWN_STATES = frozenset({"Pull complete", "Already exists", "Download complete"})


class Images:
    """The images that image projects run."""

    def __init__(self, api: DockerApi) -> None:
        self._api = api

    async def pull(
        self,
        text: str,
        login: RegistryLogin | None,
        on_lines: OnLines,
        *,
        is_shared: bool = False,
    ) -> ImageRelease:
        """Find out what a reference stands for now, pull it, and say how it runs.

        Args:
            text: The reference as the user gave it.
            login: What its registry is asked with; None to ask as anybody.
            on_lines: Told how far the pull is.
            is_shared: Whether an image that is here may have been pulled for somebody else: its
                registry is asked for it then, though it be named by its digest.

        Raises:
            BuildFailedError: The sentence says what is wrong with name, access or registry.
        """
        reference = ImageReference.parse(text)
        await on_lines([f"Looking up {reference.text}"])
        try:
            headers = authorization(login)
            if reference.digest and not is_shared:
                pinned = reference.at(reference.digest)
            else:
                pinned = await self._resolve(reference, headers, on_lines)
            await on_lines([f"{text} is {pinned}"])
            if not await self.is_here(pinned):
                await self._pull(pinned, on_lines, headers)
            return await self.describe(pinned)
        except EngineRefusedError as error:
            raise BuildFailedError(*explain_refusal(reference, str(error), login)) from error
        except EngineAwayError as error:
            raise BuildFailedError(ReasonCode.RUNTIME_UNAVAILABLE, str(error)) from error

    async def ensure(self, image: str, login: RegistryLogin | None = None) -> None:
        """Pull an image again that was removed behind the platform's back.

        Args:
            image: By digest.
            login: What its registry is asked with; None to ask as anybody.

        Raises:
            EngineRefusedError: It cannot be had any more.
            EngineAwayError: The engine does not answer.
        """
        if not await self.is_here(image):
            await self._pull(image, _unheard, authorization(login))

    async def pull_base(
        self, reference: ImageReference, login: RegistryLogin | None, on_lines: OnLines
    ) -> None:
        """Pull what a Dockerfile begins with, which a build cannot ask a registry for.

        Raises:
            BuildFailedError: The sentence says what is wrong with name, access or registry.
            EngineAwayError: The engine does not answer.
        """
        who = f" as {login.username}" if login is not None else ""
        await on_lines([f"Pulling {reference.text}{who}"])
        try:
            await self._pull(reference.text, on_lines, authorization(login))
        except EngineRefusedError as error:
            raise BuildFailedError(*explain_refusal(reference, str(error), login)) from error

    async def push(
        self,
        release: ImageRelease,
        reference: ImageReference,
        login: RegistryLogin | None,
        on_lines: OnLines,
    ) -> ImageRelease:
        """Put an image that was built here where other machines find it.

        Args:
            release: The image.
            reference: Its name from now on.
            login: What the registry is asked with; None to ask as anybody.
            on_lines: Told how far it is.

        Returns:
            The same by the digest that the registry has it under.

        Raises:
            BuildFailedError: The registry does not take it, or cannot be reached.
        """
        await on_lines([f"Pushing {reference.text}"])
        try:
            digest = await self._push(release.image, reference, login)
        except EngineRefusedError as error:
            raise BuildFailedError(*explain_refusal(reference, str(error), login)) from error
        except EngineAwayError as error:
            raise BuildFailedError(ReasonCode.RUNTIME_UNAVAILABLE, str(error)) from error
        return replace(release, image=reference.at(digest))

    async def describe(self, image: str) -> ImageRelease:
        """How an image runs that is here."""
        shown = await self._api.call("GET", f"images/{image}/json")
        config: Mapping[str, Json] = shown.get("Config") or {}
        ports = [
            int(port.partition("/")[0])
            for port in config.get("ExposedPorts") or ()
            if port.endswith("/tcp")
        ]
        return ImageRelease(image=image, exposed=tuple(sorted(ports)))

    async def size(self, image: str) -> int:
        """Bytes of an image that is here, unpacked."""
        shown = await self._api.call("GET", f"images/{image}/json")
        return int(shown["Size"])

    async def save(self, image: str, archive: Path) -> None:
        """Write an image that is here as the archive that `docker save` makes.

        Raises:
            EngineRefusedError: The engine said no.
            EngineAwayError: It does not answer any more.
            OSError: The file cannot be written.
        """
        with archive.open("wb") as file:
            async for piece in self._api.content(f"images/{image}/get"):
                await to_thread.run_sync(file.write, piece)

    async def _resolve(
        self, reference: ImageReference, headers: Mapping[str, str], on_lines: OnLines
    ) -> str:
        """The reference with the digest that it stands for now."""
        path = f"distribution/{reference.text}/json"
        try:
            told = await self._api.call("GET", path, headers=headers)
        except EngineRefusedError as error:
            if (error.status, str(error)) != _NO_SUCH_CALL:
                raise
            # Podman cannot ask a registry for a digest alone.
            await self._pull(reference.text, on_lines, headers)
            shown = await self._api.call("GET", f"images/{reference.text}/json")
            digests = [told.partition("@")[2] for told in shown.get("RepoDigests") or ()]
            return reference.at(reference.digest or digests[0])
        return reference.at(reference.digest or told["Descriptor"]["digest"])

    async def is_here(self, image: str) -> bool:
        """Whether the engine has an image."""
        try:
            await self._api.call("GET", f"images/{image}/json")
        except EngineRefusedError as error:
            if error.status == _NOT_FOUND:
                return False
            raise
        return True

    async def _push(
        self, image: str, reference: ImageReference, login: RegistryLogin | None
    ) -> str:
        name, tag, digest = reference.name, str(reference.tag), ""
        await self._api.call("POST", f"images/{image}/tag", repo=name, tag=tag)
        # An engine asks for this header even where there is nothing to say in it.
        headers = authorization(login) or {"X-Registry-Auth": _NOBODY}
        pieces = self._api.stream("POST", f"images/{name}/push", headers=headers, tag=tag)
        async for told in pieces:
            if "error" in told:
                raise EngineRefusedError(500, str(told["error"]))
            digest = (told.get("aux") or {}).get("Digest", digest)
        return digest

    async def _pull(
        self, image: str, on_lines: OnLines, headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        reference = ImageReference.parse(image)
        tag = reference.digest or reference.tag
        pieces = self._api.stream(
            "POST", "images/create", headers=headers, fromImage=reference.name, tag=tag
        )
        async for told in pieces:
            if "error" in told:
                raise EngineRefusedError(500, str(told["error"]))
            if told.get("status") in _SHOWN_STATES:
                await on_lines([f"{told.get('id', '')}: {told['status']}".removeprefix(": ")])


async def _unheard(_: Sequence[str]) -> None:
    return


def authorization(login: RegistryLogin | None) -> Mapping[str, str]:
    """The header that the engine passes on to a registry."""
    if login is None:
        return {}
    told = {
        "username": login.username,
        "password": login.password,
        "serveraddress": login.registry,
    }
    return {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(told).encode()).decode()}


def registry_config(logins: Iterable[RegistryLogin]) -> str:
    """The header that a build passes on to registries."""
    told = {one.registry: {"username": one.username, "password": one.password} for one in logins}
    return base64.urlsafe_b64encode(json.dumps(told).encode()).decode()


def gives_no_access(said: str) -> bool:
    """Whether an engine says that a registry does not let it."""
    text = said.lower().replace("permission denied", "")
    return any(part in text for part in _NO_ACCESS)


def explain_refusal(
    reference: ImageReference, said: str, login: RegistryLogin | None = None
) -> tuple[ReasonCode, str]:
    """Which of the things it is that go wrong with a registry, in one sentence."""
    text = said.lower()
    if any(part in text for part in _WRONG_MACHINE):
        sentence = f"{reference.text} has no image for this machine's architecture"
        return ReasonCode.IMAGE_UNUSABLE, sentence
    if gives_no_access(said):
        if login is not None:
            return ReasonCode.IMAGE_UNAVAILABLE, (
                f"{reference.registry} does not let {login.username} pull {reference.repository}: "
                "the password or the name is wrong"
            )
        return ReasonCode.IMAGE_UNAVAILABLE, (
            f"{reference.registry} gives no access to {reference.repository}: the name is wrong, "
            "or it is private; `createos-mcp platform registry login` gives credentials"
        )
    if any(part in text for part in _UNREACHABLE):
        return ReasonCode.IMAGE_UNAVAILABLE, (
            f"The registry {reference.registry} cannot be reached: {said}"
        )
    if any(part in text for part in _UNKNOWN):
        what = f"tag {reference.tag}" if reference.tag else "digest"
        return ReasonCode.IMAGE_UNAVAILABLE, (
            f"{reference.registry} has no {reference.repository} with this {what}"
        )
    return ReasonCode.IMAGE_UNAVAILABLE, f"{reference.text} cannot be pulled: {said}"
