"""The commands of the command line: one row each, with the code that it runs."""

from collections.abc import Mapping

from createos_mcp.cli.commands import Argument, Command, switch
from createos_mcp.cli.platform_commands import PLATFORM_COMMANDS
from createos_mcp.contract.setting_rows import Group

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


_AS_JSON = switch("--json", "Print JSON.")

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
            switch("--yes", "Write without asking."),
            switch("--dry-run", "Show the diff and write nothing."),
            switch("--uninstall", "Remove the server."),
            switch(
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
        name="deploy",
        help="deploy a folder, show its build, and print where it answers",
        run="createos_mcp.cli.deploy_command:deploy_command",
        arguments=(
            Argument(
                name="directory",
                help="The folder. Default: the current one.",
                options={"nargs": "?", "metavar": "DIR", "default": "."},
            ),
            Argument(
                name="--name",
                help="Name of the project, made when there is none. Default: the folder's name.",
                options={"metavar": "NAME"},
            ),
            Argument(
                name="--environment",
                help="The only environment that takes it.",
                options={"metavar": "NAME"},
            ),
        ),
        reads=_CLIENT,
        interrupted="Interrupted. The deployment goes on: it is built and started.",
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
            switch("--help", "Show this help, or that of the tool.", "-h"),
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
    *PLATFORM_COMMANDS,
)
