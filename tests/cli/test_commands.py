import pytest

from createos_mcp.cli.command_list import COMMANDS, GROUPS
from createos_mcp.cli.commands import Command


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name or "none")
def test_every_command_can_be_loaded_and_says_what_it_does(command: Command) -> None:
    assert callable(command.load())
    assert command.help


def test_every_word_before_a_commands_last_is_a_group_with_a_sentence() -> None:
    above = {command.name.rpartition(" ")[0] for command in COMMANDS}
    assert above - {""} == GROUPS.keys()
    assert len({command.name for command in COMMANDS}) == len(COMMANDS)
