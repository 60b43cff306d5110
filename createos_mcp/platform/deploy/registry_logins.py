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

    async def somebody_has(self, registry: str) -> bool:
        """Whether anybody has credentials for a registry, so that what is here may be theirs."""
        return await self.logins.somebody_has(registry)


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

    async def somebody_has(self, registry: str) -> bool:
        """Whether anybody has credentials for a registry."""
        rows = await self._store.registry_credentials.all()
        return any(row.registry == registry for row in rows)
