"""Registry logins: what a deployment's images are pulled with."""

from createos_mcp.platform.engines.image_references import ImageReference
from createos_mcp.platform.store.registry_credentials import RegistryLogin
from createos_mcp.platform.store.store import Store


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
