"""Commands that are run once in the release and environment of a deployment."""

from collections.abc import Sequence

import anyio

from createos_mcp.contract.values import Json
from createos_mcp.platform.errors import StorageError, WrongStateError
from createos_mcp.platform.ids import new_id
from createos_mcp.platform.models import Deployment, Environment, LaunchSpec
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.release_records import release_from_json
from createos_mcp.platform.run.conditions import conditions_of
from createos_mcp.platform.run.project_users import ProjectUsers
from createos_mcp.platform.run.runner import Runner

OUTPUT_CHARACTERS = 64_000
"""Of the end of what a command printed; the rest is cut."""


class AppCommands:
    """Runs commands next to the apps, with the files, variables, limits and network of one.

    Args:
        at_once: How many may run at the same time; the others wait.
    """

    def __init__(
        self, *, runner: Runner, users: ProjectUsers, data_dir: DataDir, at_once: int
    ) -> None:
        self._runner = runner
        self._users = users
        self._data_dir = data_dir
        self._slots = anyio.CapacityLimiter(at_once)

    async def run(
        self,
        deployment: Deployment,
        environment: Environment | None,
        command: str,
        *,
        timeout_s: float,
    ) -> Json:
        """Run a line of the shell to its end; a command that takes too long is ended.

        Args:
            deployment: One whose release is there.
            environment: Where its variables and limits are taken from.
            command: For `/bin/sh -c`.
            timeout_s: How long it may take.

        Returns:
            `{"exitCode": 0, "output": "...", "isCut": False, "timedOut": False}`; without
            `exitCode` when the time was over.

        Raises:
            StorageError: The disk does not take what it needs.
            WrongStateError: Its engine does not start it.
        """
        spec = await self._spec(deployment, environment)
        output = _Output()
        exit_code: int | None = None
        async with self._slots:
            with anyio.move_on_after(timeout_s):
                try:
                    done = await self._runner.run_once(
                        spec, ("/bin/sh", "-c", command), on_lines=output.add
                    )
                except ConnectionError as error:
                    raise WrongStateError(f"The command could not be started: {error}.") from error
                except OSError as error:
                    raise StorageError(self._data_dir.runs, str(error)) from error
                exit_code = done.exit_code
                if done.was_out_of_memory:
                    await output.add([f"Killed: it used more than {spec.memory_mb} MB of memory."])
        return {
            **({} if exit_code is None else {"exitCode": exit_code}),
            "output": output.text,
            "isCut": output.is_cut,
            "timedOut": exit_code is None,
        }

    async def _spec(self, deployment: Deployment, environment: Environment | None) -> LaunchSpec:
        conditions = conditions_of(deployment, environment)
        command_id = new_id()
        return LaunchSpec(
            replica_id=command_id,
            deployment_id=deployment.id,
            release=release_from_json(deployment.release or {}),
            run_envs=conditions.run_envs,
            port=conditions.port,
            memory_mb=conditions.resources["memory"],
            cpu_millicores=conditions.resources["cpu"],
            log_file=self._data_dir.run(command_id) / "output",
            uid=await self._users.uid_of(deployment.project_id),
            environment_id=environment.id if environment is not None else None,
        )


class _Output:
    """The end of what a command printed."""

    def __init__(self) -> None:
        self.text = ""
        self.is_cut = False

    async def add(self, lines: Sequence[str]) -> None:
        text = self.text + "".join(f"{line}\n" for line in lines)
        self.is_cut = self.is_cut or len(text) > OUTPUT_CHARACTERS
        self.text = text[-OUTPUT_CHARACTERS:]
