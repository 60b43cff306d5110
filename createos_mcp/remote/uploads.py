"""Upload addresses: a file goes from a shell to the platform, without passing through the model.

A multipart operation that is called without its file answers with an address. What is sent there
is handed on as it comes, in the name of who called.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from secrets import token_hex

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from createos_mcp.contract.catalog import Catalog
from createos_mcp.contract.errors import ApiError, BackendError
from createos_mcp.contract.http import Request, Stream
from createos_mcp.contract.operations import Operation
from createos_mcp.contract.values import Json
from createos_mcp.remote.auth.callers import Caller
from createos_mcp.remote.auth.upload_tokens import LIFE_S, Ticket, Tickets
from createos_mcp.remote.caller_backend import CallerBackend
from createos_mcp.remote.limits import Slots
from createos_mcp.remote.request_body import announced_bytes, read_chunks

PATH = "/uploads"
FILE_NAME = "upload.zip"
BAD_GATEWAY = 502

_ADDRESS: Mapping[str, Json] = {
    "uploadUrl": {"type": "string"},
    "command": {"type": "string"},
    "expiresInSeconds": {"type": "integer"},
}


def with_addresses(catalog: Catalog) -> Catalog:
    """The catalog in which the file of a multipart operation may be left out."""
    operations = {
        name: _with_address(operation) if operation.http.body == "multipart" else operation
        for name, operation in catalog.operations.items()
    }
    return replace(catalog, operations=operations)


def _with_address(operation: Operation) -> Operation:
    part = _part_name(operation)
    schema = operation.input_schema
    required = [name for name in schema["required"] if name != part]
    output = operation.output_schema
    return replace(
        operation,
        description=f"{operation.description} Better: omit {part} and upload the zip to the URL in "
        "the result, with the command given there.",
        input_schema={**schema, "required": required},
        output_schema={**output, "properties": {**output["properties"], **_ADDRESS}},
    )


def _part_name(operation: Operation) -> str:
    placed = operation.http.query.keys()
    names: Iterator[str] = iter(operation.input_schema["properties"])
    return next(n for n in names if f"{{{n}}}" not in operation.http.path and n not in placed)


def offer_address(tickets: Tickets, request: Request, caller: Caller) -> Json:
    """What a tool answers in place of an upload: an address, and the command that sends a zip."""
    sealed = tickets.seal(Ticket(path=request.path, credentials=caller.credentials))
    url = f"{caller.base_url}{PATH}/{sealed}"
    return {
        "uploadUrl": url,
        "command": f"curl --fail-with-body -T app.zip '{url}'",
        "expiresInSeconds": LIFE_S,
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class Uploads:
    """Takes what is sent to upload addresses."""

    operation: Operation
    """The multipart operation that they stand for."""
    upstream: CallerBackend
    tickets: Tickets
    slots: Slots
    limit_bytes: int
    timeout_s: float

    async def take(self, request: HttpRequest) -> Response:
        """Hand a zip on to the platform, and its answer back.

        Raises:
            UploadAddressError: The address is none, or used, or too old.
            RefusedRequestError: The body is too large, or stopped coming.
        """
        chunks = read_chunks(
            request.scope, request.receive, limit_bytes=self.limit_bytes, timeout_s=self.timeout_s
        )
        first = await anext(chunks)
        ticket = self.tickets.open(request.path_params["ticket"])
        body = _as_part(_part_name(self.operation), first, chunks, announced_bytes(request.scope))
        bound = Request(
            method=self.operation.http.method, path=ticket.path, query=(), json=None, parts=()
        )
        try:
            with self.slots.hold("uploads"):
                data = await self.upstream.stream(
                    bound, self.operation.http, body, ticket.credentials
                )
        except ApiError as error:
            return _refused_upload(error.status, str(error))
        except BackendError as error:
            return _refused_upload(BAD_GATEWAY, str(error))
        return JSONResponse(data)


def _refused_upload(status: int, message: str) -> Response:
    return JSONResponse({"error": "upload", "message": message}, status)


def _as_part(name: str, first: bytes, rest: AsyncIterator[bytes], size_bytes: int | None) -> Stream:
    """A body as the only part of a multipart form (RFC 7578)."""
    boundary = token_hex(16)
    head = (
        f"--{boundary}\r\n"
        f'Content-Disposition: form-data; name="{name}"; filename="{FILE_NAME}"\r\n'
        "Content-Type: application/zip\r\n\r\n"
    ).encode()
    tail = f"\r\n--{boundary}--\r\n".encode()

    async def chunks() -> AsyncIterator[bytes]:
        yield head + first
        async for chunk in rest:
            yield chunk
        yield tail

    return Stream(
        content_type=f"multipart/form-data; boundary={boundary}",
        size_bytes=None if size_bytes is None else len(head) + size_bytes + len(tail),
        chunks=chunks(),
    )
