"""Reviews of templates and credits of users, from the command line."""

import json

import anyio

from createos_mcp.cli.commands import Invocation
from createos_mcp.cli.local import config_of, explained
from createos_mcp.cli.tables import write_table
from createos_mcp.cli.terminal import say
from createos_mcp.contract.errors import UserRefusedError
from createos_mcp.platform import daemon, marketplace

_COLUMNS = ("ID", "NAME", "AUTHOR", "CREDITS")


def review_command(invocation: Invocation) -> int:
    """List templates that wait, or decide about one.

    Raises:
        UserRefusedError: The template does not wait for a review, or both answers are given.
    """
    given = invocation.given
    data_dir = config_of(invocation.settings).data_dir
    with explained(), daemon.holding_starts(data_dir):
        if given["template"] is None:
            return _list(invocation)
        if given["approve"] == (given["reject"] is not None):
            raise UserRefusedError("give either --approve or --reject REASON")
        status = anyio.run(marketplace.review, data_dir, given["template"], given["reject"])
    say(f"The template is {status} now.")
    return 0


def _list(invocation: Invocation) -> int:
    found = anyio.run(marketplace.list_for_review, config_of(invocation.settings).data_dir)
    rows = [
        (one.id, one.text.name, str(one.author), f"{one.text.amount_cents / 100:.2f}")
        for one in found
    ]
    if invocation.given["json"]:
        members = ("id", "name", "author", "amount")
        say(json.dumps([dict(zip(members, row, strict=True)) for row in rows]))
    elif rows:
        write_table(_COLUMNS, rows)
    else:
        say("No template waits for a review.")
    return 0


def add_credits_command(invocation: Invocation) -> int:
    """Book credits for a user, and show the balance.

    Raises:
        UserRefusedError: There is no such user, or the amount cannot be booked.
    """
    given = invocation.given
    data_dir = config_of(invocation.settings).data_dir
    with explained(), daemon.holding_starts(data_dir):
        balance = anyio.run(marketplace.add_credits, data_dir, given["user"], given["amount"])
    say(f"{given['user']} has {balance / 100:.2f} credits.")
    return 0
