"""Bots: apps that ask a chat service for messages by themselves, so that nobody has to ask them."""

import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from createos_mcp.platform.build.manifests import read_code

PYTHON_BOTS = frozenset(
    {
        *("discord", "nextcord", "disnake", "hikari", "interactions", "telegram", "telebot"),
        *("aiogram", "telethon", "pyrogram", "slack_bolt", "twitchio", "nio", "irc"),
    }
)
"""Modules that a bot imports."""

NODE_BOTS = frozenset(
    {
        *("discord.js", "eris", "oceanic.js", "telegraf", "grammy", "node-telegram-bot-api"),
        *("@slack/bolt", "@slack/socket-mode", "whatsapp-web.js", "tmi.js", "matrix-bot-sdk"),
    }
)
"""Packages that a bot depends on."""

_LISTENS = re.compile(
    r"\.listen\(|createServer\(|Bun\.serve|webhookCallback|Deno\.serve"
    r"|\b(?:run|start)_webhook\b|\bHTTPServer\b|\bweb\.run_app\b"
    r"|^\s*(?:from|import) (?:flask|fastapi|quart|uvicorn|bottle|sanic|tornado)\b",
    re.MULTILINE,
)
"""What a bot has that answers requests, too: a web hook, or a page to keep it awake."""

_SLACK_LISTENS = re.compile(r"slack[_/]bolt")
_SOCKET_MODE = re.compile(r"SocketModeHandler|socketMode|socket_mode")
"""https://docs.slack.dev/apis/events-api/using-socket-mode: without it Slack calls the app."""

_MAX_FILES = 60


def opens_no_port(source: Path, patterns: Iterable[str]) -> bool:
    """Whether nothing in a bot's files listens; the patterns, `src/*.js`, say which are read."""
    texts = [read_code(file) for file in _some(source, patterns)]
    if any(_LISTENS.search(text) for text in texts):
        return False
    is_of_slack = any(_SLACK_LISTENS.search(text) for text in texts)
    return not is_of_slack or any(_SOCKET_MODE.search(text) for text in texts)


def is_node_bot(source: Path, packages: Collection[str]) -> bool:
    """Whether an app of Node is a bot that opens no port."""
    patterns = (f"{place}*.{ending}" for place in ("", "src/") for ending in ("js", "mjs", "ts"))
    return not NODE_BOTS.isdisjoint(packages) and opens_no_port(source, patterns)


def _some(source: Path, patterns: Iterable[str]) -> Iterator[Path]:
    files = (file for pattern in patterns for file in sorted(source.glob(pattern)))
    for _, file in zip(range(_MAX_FILES), files, strict=False):
        yield file
