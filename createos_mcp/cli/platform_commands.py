"""The commands of the local platform: one row each, with the code that it runs."""

from createos_mcp.cli.commands import Argument, Command, switch
from createos_mcp.settings.settings import PLATFORM_PREFIX

_AS_JSON = switch("--json", "Print JSON.")

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

PLATFORM_COMMANDS: tuple[Command, ...] = (
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
        name="platform open",
        help="sign in to the dashboard: opens a browser, or prints a link that works once",
        run="createos_mcp.cli.local_dashboard:open_dashboard",
        arguments=(
            Argument(
                name="app",
                help="The project to begin with.",
                options={"nargs": "?", "metavar": "PROJECT"},
            ),
            switch("--print", "Only print the link."),
        ),
        reads=("platform",),
        needs_platform=True,
    ),
    Command(
        name="platform top",
        help="show what runs, each second until Ctrl-C; on a pipe once",
        run="createos_mcp.cli.local_top:show_top",
        arguments=(
            Argument(
                name="--seconds",
                help="How long.",
                short="-n",
                options={"type": float, "metavar": "SECONDS"},
            ),
        ),
        needs_platform=True,
        interrupted="",
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
            switch("--follow", "Print new lines as they come, until Ctrl-C.", "-f"),
            switch("--build", "The build log of the project's newest deployment."),
            Argument(
                name="--since", help="No older lines: 30s, 15m, 2h, 1d.", options={"metavar": "AGO"}
            ),
            Argument(
                name="--lines",
                help="At most so many. Default: 200.",
                short="-n",
                options={"type": int, "default": 200, "metavar": "COUNT"},
            ),
            Argument(
                name="--grep",
                help="Only lines with this text, whatever its case; a|b for either.",
                options={"metavar": "TEXT"},
            ),
            switch("--json", "Print a JSON object for each line."),
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
        help="bring back what a backup or a copy holds, into a new data directory",
        run="createos_mcp.cli.local_backups:restore_command",
        arguments=(
            Argument(
                name="file",
                help="The archive, or where CREATEOS_PLATFORM_COPY_TO led: "
                "a directory, s3://bucket/path.",
            ),
            Argument(
                name="--keys",
                help="Directory with the files key and sealing.key of the platform, "
                "for a copy in an object store.",
                options={"metavar": "DIRECTORY"},
            ),
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
            switch("--approve", "Offer it to everybody."),
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
            switch("--remove", "Forget it."),
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
        arguments=(_REPOSITORY, _FOR_USER, switch("--yes", "Do not ask.")),
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
