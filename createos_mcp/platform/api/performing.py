"""One operation of the catalog, checked and done: the REST API and the pages share it."""

from collections.abc import Mapping

from createos_mcp.contract.catalog import Catalog
from createos_mcp.contract.operations import Operation
from createos_mcp.contract.validation import Validation
from createos_mcp.contract.values import Arguments, Json
from createos_mcp.platform.api.api_request import ApiRequest, Handlers, Services
from createos_mcp.platform.errors import InvalidRequestError
from createos_mcp.platform.models import User


class Performer:
    """Does operations for users whose identity is proven.

    Args:
        catalog: The operations and what each of them takes.
        handlers: What each of them does.
        services: The parts of the platform that they use.
    """

    def __init__(self, *, catalog: Catalog, handlers: Handlers, services: Services) -> None:
        self.catalog = catalog
        self.services = services
        self._handlers = handlers
        self._validation = Validation()

    async def perform(self, name: str, arguments: Arguments, user: User) -> Json:
        """The `data` of an operation's answer.

        Raises:
            InvalidRequestError: The arguments do not fit the operation.
            Refusal: The operation cannot be done.
        """
        request = await self.check(self.catalog.operations[name], arguments, user)
        return await self._handlers[name](request)

    async def check(self, operation: Operation, arguments: Arguments, user: User) -> ApiRequest:
        """A request whose arguments fit the operation.

        Raises:
            InvalidRequestError: They do not.
            NotFoundError: The user has no such project.
        """
        request = ApiRequest(
            operation=operation, arguments=arguments, user=user, services=self.services
        )
        problems = self._validation.check(
            operation, _checkable(operation, arguments), facts=await _facts(request)
        )
        if problems:
            raise InvalidRequestError(
                "; ".join(f"{p.path}: {p.message}" if p.path else p.message for p in problems)
            )
        return request


async def _facts(request: ApiRequest) -> Mapping[str, str]:
    """What rules of the operation ask for and the request does not say: the project's type."""
    if not request.operation.rules or "project_id" not in request.arguments:
        return {}
    return {"type": (await request.project()).type}


def _checkable(operation: Operation, arguments: Mapping[str, Json]) -> Mapping[str, Json]:
    """Arguments as the tool takes them: without options, and text in place of a part's bytes."""
    return {
        name: "" if isinstance(value, bytes) else value
        for name, value in arguments.items()
        if name not in operation.http.local_query
    }
