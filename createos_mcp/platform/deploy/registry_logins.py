"""Registry logins: what a deployment's images are pulled with."""

from dataclasses import dataclass

from createos_mcp.platform.engines.image_references import ImageReference
from createos_mcp.platform.store.registry_credentials import RegistryLogin
from createos_mcp.platform.store.store import Store


@dataclass(frozen=True, slots=True)
class DeploymentLogins:
    """What the images of one deployment are pulled with."""

    logins: "RegistryLogins"
    deployment_id: str

    async def find(self, reference: ImageReference) -> RegistryLogin | None:
        """What the registry of an image is asked with; None to ask as anybody."""
        return await self.logins.find(self.deployment_id, reference)

    async def are_others(self) -> bool:
        """Whether what is on the engine may have been pulled for somebody else."""
        return await self.logins.are_others()


class RegistryLogins:
    """Finds the credentials of a project, or of its owner."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, deployment_id: str, reference: ImageReference) -> RegistryLogin | None:
        """What the registry of an image is asked with; None to ask as anybody."""
        deployment = await self._store.deployments.get(deployment_id)
        if deployment is None:
            return None
        project = await self._store.projects.by_id(deployment.project_id)
        if project is None:
            return None
        return await self._store.registry_credentials.find(
            reference.registry, user_id=project.user_id, project_id=project.id
        )

    async def are_others(self) -> bool:
        """Whether several users share the engine."""
        return len(await self._store.accounts.users()) > 1
