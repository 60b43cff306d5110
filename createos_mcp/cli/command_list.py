"""The commands of the command line: one row each, with the code that it runs."""

from collections.abc import Mapping

from createos_mcp.cli.commands import Argument, Command
from createos_mcp.contract.setting_rows import Group
from createos_mcp.settings.settings import PLATFORM_PREFIX

GROUPS: Mapping[str, str] = {
    "platform": "run the local platform",
    "platform user": "manage the users of the local platform",
    "platform registry": "manage credentials for registries of images",
    "platform templates": "review templates that users offer",
    "platform credits": "manage what users have to spend on templates",
    "platform github": "connect accounts on GitHub",
    "platform git": "manage the git repositories of the local platform",
}
"""Words that commands share, and what those commands have in common."""

SETTING_TITLES: Mapping[Group, str] = {
    "server": "server",
    "oauth": "access tokens of an authorization server",
    "connection": "connection to the API",
    "tools": "which tools to offer",
    "safety": "what tools may do",
    "output": "output",
    "platform": "local platform",
}

_CLIENT: tuple[Group, ...] = ("connection", "tools", "safety", "output", "platform")
"""What a server reads that may also start the local platform."""


def _switch(name: str, text: str, short: str = "") -> Argument:
    return Argument(name=name, help=text, options={"action": "store_true"}, short=short)


_AS_JSON = _switch("--json", "Print JSON.")

_REGISTRY = Argument(name="registry", help="Host name, such as ghcr.io or docker.io.")
_WHOSE = (
    Argument(name="--for-project", help="Only for this project.", options={"metavar": "NAME"}),
    Argument(name="--for-user", help="Whose. Default: the owner's.", options={"metavar": "NAME"}),
)

_REPOSITORY = Argument(name="name", help="Name of the repository, without the owner's.")
_FOR_USER = _WHOSE[1]

_GITHUB = (
    Argument(
        name="--github-api",
        help="Of GitHub Enterprise. Default: https://api.github.com.",
        options={"metavar": "URL", "default": "https://api.github.com"},
    ),
    Argument(
        name="--github-git",
        help="Of GitHub Enterprise. Default: https://github.com.",
        options={"metavar": "URL", "default": "https://github.com"},
    ),
)

COMMANDS: tuple[Command, ...] = (
    Command(
        name="",
        help="serve one MCP client over stdin and stdout",
        run="createos_mcp.cli.stdio:serve_stdio",
        reads=_CLIENT,
    ),
    Command(
        name="serve",
        help="serve many MCP clients over HTTP, each with a key of its own",
        run="createos_mcp.cli.serve:serve_http_command",
        reads=("server", "oauth", "connection", "tools", "safety", "output"),
        own_prefix="serve_",
    ),
    Command(
        name="install",
        help="add the server to your MCP clients' configuration (shows a diff first)",
        run="createos_mcp.cli.install.install:install",
        arguments=(
            Argument(
                name="clients",
                help="Clients to configure. Default: those that are installed.",
                options={"nargs": "*", "metavar": "CLIENT"},
            ),
            _switch("--yes", "Write without asking."),
            _switch("--dry-run", "Show the diff and write nothing."),
            _switch("--uninstall", "Remove the server."),
            _switch(
                "--project-scope",
                "Write to this project's configuration instead of your user configuration.",
            ),
            Argument(
                name="--with-key",
                help="Name of the variable that holds your API key. The client passes it on; "
                "the key itself is not written to any file.",
                options={"metavar": "NAME"},
            ),
        ),
        interrupted="Interrupted. Files that were not reported as written are unchanged.",
    ),
    Command(
        name="confirm",
        help="let one call of an agent pass whose client cannot ask you",
        run="createos_mcp.cli.confirm:confirm_command",
        arguments=(Argument(name="code", help="The code that the agent was told: ABCD-2345."),),
        reads=("platform",),
    ),
    Command(
        name="doctor",
        help="check settings, key, connection and this machine; exits with 1 if a check fails",
        run="createos_mcp.cli.doctor:examine",
        arguments=(_AS_JSON,),
        reads=_CLIENT,
        tolerates_bad_settings=True,
    ),
    Command(
        name="tools",
        help="list the tools that the settings offer; --json has the whole descriptions",
        run="createos_mcp.cli.tool_list:list_tools_command",
        arguments=(_AS_JSON,),
        reads=("tools",),
    ),
    Command(
        name="call",
        help="call a tool and print its result; exits with 1 if it fails",
        run="createos_mcp.cli.tool_call:call",
        arguments=(
            _switch("--help", "Show this help, or that of the tool.", "-h"),
            Argument(
                name="tool",
                help="Name of the tool. `createos-mcp tools` lists them.",
                options={"nargs": "?", "metavar": "TOOL"},
                completer="createos_mcp.cli.completion:list_tool_names",
            ),
            Argument(
                name="arguments",
                help="name=value; name=@file reads the value from a file (@- is stdin), "
                "and name:=value is JSON.",
                options={"nargs": "*", "metavar": "name=value"},
                completer="createos_mcp.cli.completion:list_tool_arguments",
            ),
        ),
        reads=_CLIENT,
        explains_itself=True,
        interrupted="Interrupted. What the platform has begun goes on: a deployment is built and "
        "started. `createos-mcp tools --toolsets deployments` lists the tools that wait for it "
        "or cancel it.",
    ),
    Command(
        name="completion",
        help="print the shell completion script for bash, zsh, fish or tcsh",
        run="createos_mcp.cli.completion:print_script",
        arguments=(
            Argument(
                name="shell",
                help="The shell.",
                options={"choices": ("bash", "zsh", "fish", "tcsh"), "metavar": "SHELL"},
            ),
        ),
    ),
    Command(
        name="platform start",
        help="start the local platform if it is not running, and show its status",
        run="createos_mcp.cli.local_status:start_command",
        reads=("platform",),
        own_prefix=PLATFORM_PREFIX,
        needs_platform=True,
        interrupted="Interrupted. The platform may still be starting; "
        "`createos-mcp platform status` shows it.",
    ),
    Command(
        name="platform stop",
        help="stop the local platform and its apps; they start again with it",
        run="createos_mcp.cli.local:stop_command",
        needs_platform=True,
        interrupted="Interrupted. The platform goes on stopping; "
        "`createos-mcp platform status` shows it.",
    ),
    Command(
        name="platform status",
        help="show where the platform listens and what it runs; exits with 1 if it is not running",
        run="createos_mcp.cli.local_status:print_status",
        arguments=(_AS_JSON,),
        needs_platform=True,
    ),
    Command(
        name="platform logs",
        help="show the end of the platform's own log, or the output of an app",
        run="createos_mcp.cli.local_logs:show_logs",
        arguments=(
            Argument(
                name="app",
                help="A project, project/environment, or the ID of a deployment, deleted ones "
                "included. Default: the platform's own log.",
                options={"nargs": "?", "metavar": "APP"},
            ),
            _switch("--follow", "Print new lines as they come, until Ctrl-C.", "-f"),
        ),
        needs_platform=True,
        interrupted="No longer following the log. What wrote it goes on running.",
    ),
    Command(
        name="platform user add",
        help="add a user and show their API key, once",
        run="createos_mcp.cli.local_users:add_user_command",
        arguments=(Argument(name="name", help="A name that no user has yet."), _AS_JSON),
        needs_platform=True,
    ),
    Command(
        name="platform user list",
        help="list the users of the local platform",
        run="createos_mcp.cli.local_users:list_users_command",
        arguments=(_AS_JSON,),
        needs_platform=True,
    ),
    Command(
        name="platform registry login",
        help="store credentials for a registry; the password is typed or comes over stdin",
        run="createos_mcp.cli.local_registries:log_in_command",
        arguments=(
            _REGISTRY,
            Argument(
                name="--username",
                help="The name there.",
                options={"metavar": "NAME", "required": True},
            ),
            *_WHOSE,
        ),
        needs_platform=True,
    ),
    Command(
        name="platform registry logout",
        help="remove credentials for a registry",
        run="createos_mcp.cli.local_registries:log_out_command",
        arguments=(_REGISTRY, *_WHOSE),
        needs_platform=True,
    ),
    Command(
        name="platform registry list",
        help="list the registries with credentials",
        run="createos_mcp.cli.local_registries:list_logins_command",
        arguments=(_AS_JSON,),
        needs_platform=True,
    ),
    Command(
        name="platform backup",
        help="write everything into one encrypted archive",
        run="createos_mcp.cli.local_backups:back_up_command",
        arguments=(
            Argument(name="file", help="The archive that is made, such as monday.age."),
            Argument(
                name="--recipient",
                help="A public age key that opens it. Default: a new key, in FILE.key.",
                options={"metavar": "AGE1..."},
            ),
        ),
        needs_platform=True,
    ),
    Command(
        name="platform restore",
        help="bring back what a backup holds, into a new data directory",
        run="createos_mcp.cli.local_backups:restore_command",
        arguments=(
            Argument(name="file", help="The archive."),
            Argument(
                name="--identity",
                help="File with the age key that opens it. Default: FILE.key.",
                options={"metavar": "KEY_FILE"},
            ),
        ),
        needs_platform=True,
    ),
    Command(
        name="platform templates review",
        help="list the templates that wait for a review, or decide about one",
        run="createos_mcp.cli.local_marketplace:review_command",
        arguments=(
            Argument(name="template", help="Its ID.", options={"nargs": "?", "metavar": "ID"}),
            _switch("--approve", "Offer it to everybody."),
            Argument(
                name="--reject", help="Send it back, and say why.", options={"metavar": "REASON"}
            ),
            _AS_JSON,
        ),
        needs_platform=True,
    ),
    Command(
        name="platform credits add",
        help="give a user credits for templates; a negative amount takes some",
        run="createos_mcp.cli.local_marketplace:add_credits_command",
        arguments=(
            Argument(name="user", help="Name of the user."),
            Argument(name="amount", help="Such as 12.50.", options={"type": float}),
        ),
        needs_platform=True,
    ),
    Command(
        name="platform github login",
        help="connect an account on GitHub; its token is typed or comes over stdin",
        run="createos_mcp.cli.local_git:connect_github_command",
        arguments=(
            _FOR_USER,
            *_GITHUB,
        ),
        needs_platform=True,
    ),
    Command(
        name="platform github app",
        help="set the GitHub App of this machine, or remove it",
        run="createos_mcp.cli.local_git:register_app_command",
        arguments=(
            Argument(name="app_id", help="Its number.", options={"nargs": "?", "metavar": "ID"}),
            Argument(
                name="--key-file", help="Its private key, a PEM file.", options={"metavar": "FILE"}
            ),
            Argument(
                name="--webhook-secret-file",
                help="What deliveries to /github/webhook are signed with.",
                options={"metavar": "FILE"},
            ),
            Argument(name="--client-id", help="Its client ID.", options={"metavar": "ID"}),
            Argument(
                name="--client-secret-file",
                help="Lets users other than the owner connect installations.",
                options={"metavar": "FILE"},
            ),
            *_GITHUB,
            _switch("--remove", "Forget it."),
        ),
        needs_platform=True,
    ),
    Command(
        name="platform github logout",
        help="disconnect an account on GitHub",
        run="createos_mcp.cli.local_git:disconnect_github_command",
        arguments=(Argument(name="account", help="Its name."), _FOR_USER),
        needs_platform=True,
    ),
    Command(
        name="platform git create",
        help="make a git repository to push to",
        run="createos_mcp.cli.local_git:create_repository_command",
        arguments=(_REPOSITORY, _FOR_USER, _AS_JSON),
        needs_platform=True,
    ),
    Command(
        name="platform git list",
        help="list the git repositories and their remotes",
        run="createos_mcp.cli.local_git:list_repositories_command",
        arguments=(_AS_JSON,),
        needs_platform=True,
    ),
    Command(
        name="platform git delete",
        help="delete a git repository with its history",
        run="createos_mcp.cli.local_git:remove_repository_command",
        arguments=(_REPOSITORY, _FOR_USER, _switch("--yes", "Do not ask.")),
        needs_platform=True,
    ),
    Command(
        name="platform git login",
        help="let git find the key for pushes by itself",
        run="createos_mcp.cli.local_git:git_login_command",
        needs_platform=True,
    ),
    Command(
        name="platform git logout",
        help="let git ask for the key again",
        run="createos_mcp.cli.local_git:git_logout_command",
        needs_platform=True,
    ),
    Command(
        name="platform git credential",
        help="answer git, which calls this as its credential helper",
        run="createos_mcp.cli.local_git:answer_git",
        arguments=(
            Argument(name="action", help="What git asks for.", options={"metavar": "ACTION"}),
        ),
        needs_platform=True,
    ),
)
