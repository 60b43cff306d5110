"""The offer: the tools that callers see and reach, and the calls that they make."""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

from createos_mcp.calls.confirmation import Confirmations
from createos_mcp.calls.pipeline import ToolPipeline, Workflow
from createos_mcp.client.backend import Backend
from createos_mcp.contract.catalog import Catalog
from createos_mcp.contract.confirmation_codes import ConfirmationCodes
from createos_mcp.contract.once_marks import OnceMarks
from createos_mcp.contract.operations import Operation, Tool
from createos_mcp.contract.values import Json
from createos_mcp.server.discovery import CALL, DESCRIBE, SEARCH, find_tools
from createos_mcp.server.search import ToolIndex
from createos_mcp.server.toolsets import SETTINGS, Choice, Selection, Toolsets
from createos_mcp.settings.settings import ConfirmFallback


def build_offer(
    catalog: Catalog,
    backend: Backend,
    *,
    workflows: Sequence[Workflow] = (),
    selection: Selection | None = None,
    unasked: ConfirmFallback | None = None,
    codes: ConfirmationCodes | None = None,
    key_directory: Path | None = None,
    result_budget_bytes: int = 60_000,
    once: OnceMarks | None = None,
    is_local: bool = False,
    on_failure: Callable[[Exception], None] = lambda _error: None,
) -> "Offer":
    """Offer the catalog's operations.

    Args:
        catalog: What the operations are.
        backend: Where calls go.
        workflows: Further tools.
        selection: What the operator offers; a caller over HTTP may ask for less.
        unasked: What becomes of calls that a person should allow when nobody can be asked.
        codes: Where such calls wait for a person, who allows them in a terminal.
        key_directory: Where secrets that a local caller makes are kept; by default in the user's
            data directory.
        result_budget_bytes: Limit for one result.
        once: Tells which answers of users were taken; by default this process alone knows.
        is_local: Whether the platform is this machine; models are told.
        on_failure: Told why a call failed, while the call is still under way.

    Raises:
        SelectionError: The operator offers what does not exist.
    """
    calls = ToolPipeline(
        catalog,
        backend,
        confirmations=Confirmations(unasked, codes, once),
        key_directory=key_directory,
        result_budget_bytes=result_budget_bytes,
        is_local=is_local,
        on_failure=on_failure,
    )
    return Offer(calls, workflows, selection or Selection())


class Offer:
    """What is offered, to every caller; it remembers nothing of them.

    Args:
        calls: Makes the calls.
        workflows: Tools in addition to the catalog's operations.
        bound: What the operator offers of all that.
    """

    def __init__(
        self, calls: ToolPipeline, workflows: Sequence[Workflow], bound: Selection
    ) -> None:
        catalog = calls.catalog
        tools: list[Tool] = [*catalog.operations.values(), *workflows]
        self.calls = calls
        self.bound = bound
        self.toolsets = Toolsets(tools, catalog.on_request, catalog.references)
        self.toolsets.check(bound, SETTINGS)
        named = {name: tool for tool in tools for name in (*tool.aliases, tool.name)}
        self._named = {**named, **{tool.name: tool for tool in (SEARCH, DESCRIBE, CALL)}}

    def choose(self, wanted: Selection | None = None) -> Choice:
        """The tools of a caller who wants this."""
        return self.toolsets.choose(self.bound, wanted or Selection())

    def tool(self, name: str) -> Tool | None:
        """The tool of that name or alias, whoever reaches it."""
        return self._named.get(name)

    def lasts(self, name: str) -> bool:
        """Whether a tool may take minutes."""
        tool = self._named.get(name)
        if isinstance(tool, Workflow):
            return tool.lasts
        return isinstance(tool, Operation) and tool.http.slow

    def find_plain(self, name: str) -> Operation | None:
        """The operation that a call without a choice means, unless its arguments are filled in."""
        choice = self.choose()
        tool = choice.reached.get(name)
        if not isinstance(tool, Operation) or self.pin(choice, tool):
            return None
        return tool

    def pin(self, choice: Choice, tool: Tool) -> dict[str, str]:
        """The arguments that the caller's choice of a project fills in."""
        if not choice.project:
            return {}
        return dict.fromkeys(self.toolsets.pinned_arguments(tool), choice.project)

    def search(self, choice: Choice, arguments: Mapping[str, Json]) -> Json:
        """Answer a search among the tools that a caller reaches."""
        return find_tools(self._index, choice, self.calls.catalog.absences, arguments)

    @cached_property
    def _index(self) -> ToolIndex:
        """Made by the first search."""
        return ToolIndex(tuple(self.toolsets.tools), self.calls.catalog.utterances)

    def explain_unknown(self, choice: Choice, name: str) -> str:
        """Why a caller does not reach a name, and what it may have meant."""
        hidden = self._named.get(name)
        if hidden is not None:
            return f"{name[:64]!r} is not offered here; it is in the toolset {hidden.group!r}"
        known = {known.lower(): known for known in choice.reached}
        near = [known[match] for match in get_close_matches(name.lower(), known)]
        remedy = f"did you mean {' or '.join(near)}?" if near else "tools/list lists all tools"
        return f"There is no tool {name[:64]!r}; {remedy}"
