"""The command `completion`, and the words that a shell completes by it."""

from argparse import Namespace
from collections.abc import Sequence

from argcomplete.shell_integration import shellcode

from createos_mcp.cli.commands import Invocation
from createos_mcp.cli.terminal import say
from createos_mcp.contract.catalog import load_catalog

PROGRAM = "createos-mcp"


def print_script(invocation: Invocation) -> int:
    """Print the script, for `eval "$(createos-mcp completion bash)"`."""
    say(shellcode([PROGRAM], shell=invocation.given["shell"]))
    return 0


def list_tool_names(**_: object) -> Sequence[str]:
    """Every tool that can be called."""
    return [tool.name for tool in load_catalog(local=True).tools]


def list_tool_arguments(*, parsed_args: Namespace, **_: object) -> Sequence[str]:
    """Arguments of the tool that was typed, `project_id=`."""
    tools = {tool.name.lower(): tool for tool in load_catalog(local=True).tools}
    tool = tools.get((parsed_args.tool or "").lower())
    return [f"{name}=" for name in tool.input_schema["properties"]] if tool else []
