"""The command `completion`: the script by which a shell completes this program's words."""

from argcomplete.shell_integration import shellcode

from createos_mcp.cli.commands import Invocation
from createos_mcp.cli.terminal import say

PROGRAM = "createos-mcp"


def print_script(invocation: Invocation) -> int:
    """Print the script, for `eval "$(createos-mcp completion bash)"`."""
    say(shellcode([PROGRAM], shell=invocation.given["shell"]))
    return 0
