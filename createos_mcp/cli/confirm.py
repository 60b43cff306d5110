"""`createos-mcp confirm`: a person lets one call of an agent pass that could not ask by itself."""

from createos_mcp.cli.commands import Invocation
from createos_mcp.cli.terminal import ask_user, can_ask, say
from createos_mcp.contract.confirmation_codes import ConfirmationCodes

_YES = frozenset({"y", "yes"})


def confirm_command(invocation: Invocation) -> int:
    """Show what the call would do, ask, and let it pass once; 1 when it stays refused."""
    codes = ConfirmationCodes(invocation.settings.confirmation_dir)
    code = str(invocation.given["code"])
    pending = codes.find(code)
    if pending is None:
        say(f"There is no call to confirm with the code {code}, or its 10 minutes are over.")
        say("Let the agent make the call again; it is told a new code.")
        return 1
    if not can_ask():
        say("Run this in a terminal: only the user can confirm the call.")
        return 1
    say(pending.text)
    if pending.typed:
        is_meant = ask_user(f"Type {pending.typed} to confirm:").strip() == pending.typed
    else:
        is_meant = ask_user("Do it? [y/N]").strip().lower() in _YES
    if not is_meant or not codes.allow(code):
        say("Nothing was confirmed.")
        return 1
    say("Confirmed. Tell the agent to make the same call again.")
    return 0
