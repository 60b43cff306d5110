"""What a build takes over from the one before, copied by the shell alone."""

import subprocess
from pathlib import Path

import pytest

from createos_mcp.platform.build.carryovers import (
    TAKEN,
    Carryover,
    Commands,
    build_script,
    install_script,
    key_of,
    place_of,
)
from createos_mcp.platform.build.retries import Retry

MODULES = Carryover(
    name="dependencies", paths=("node_modules", "a b/node_modules"), files=("lock",)
)
INSTALLING = Commands(
    prepare="echo prepared > prepared",
    install="mkdir -p node_modules 'a b/node_modules'; echo one > node_modules/one",
    reinstall="echo two > node_modules/two",
)


def run(script: str, directory: Path) -> subprocess.CompletedProcess[str]:
    directory.mkdir(exist_ok=True)
    return subprocess.run(
        ["/bin/sh", "-c", script], cwd=directory, capture_output=True, text=True, check=False
    )


def names(directory: Path) -> set[str]:
    return {file.relative_to(directory).as_posix() for file in directory.rglob("*")}


def test_dependencies_are_installed_once_and_then_taken_over(tmp_path: Path) -> None:
    place = tmp_path / "cache" / "kept" / "dependencies" / "key"
    script = install_script(INSTALLING, MODULES, place)

    first, second = run(script, tmp_path / "one"), run(script, tmp_path / "two")

    assert first.stdout == f"$ {INSTALLING.install}\n"
    assert second.stdout == f"{TAKEN}\n$ {INSTALLING.reinstall}\n"
    assert first.returncode == second.returncode == 0
    assert names(tmp_path / "one") == {
        *("prepared", "node_modules", "node_modules/one", "a b", "a b/node_modules"),
    }
    assert names(tmp_path / "two") == {
        *("node_modules", "node_modules/one", "node_modules/two", "a b", "a b/node_modules"),
    }


def test_what_one_version_changes_does_not_change_for_another(tmp_path: Path) -> None:
    place = tmp_path / "kept" / "key"
    script = install_script(INSTALLING, MODULES, place)
    for name in ("one", "two"):
        run(script, tmp_path / name)
    (tmp_path / "one/node_modules/one").write_text("changed")

    assert (tmp_path / "two/node_modules/one").read_text() == "one\n"
    assert (place / "node_modules/one").read_text() == "one\n"


def test_only_the_last_key_is_kept(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    for key in ("first", "second"):
        run(install_script(INSTALLING, MODULES, kept / key), tmp_path / key)
    assert [place.name for place in kept.iterdir()] == ["second"]


@pytest.mark.parametrize("command", ["exit 3", "false; exit 3", "kill -9 $$"])
def test_a_command_that_fails_ends_with_its_code_and_keeps_nothing(
    tmp_path: Path, command: str
) -> None:
    place = tmp_path / "kept" / "key"
    failing = Commands(install=f"mkdir node_modules; {command}")
    done = run(install_script(failing, MODULES, place), tmp_path / "one")
    assert done.returncode == (137 if "kill" in command else 3)
    assert not place.exists()


def test_what_cannot_be_copied_whole_is_installed(tmp_path: Path) -> None:
    place = tmp_path / "kept" / "key"
    place.mkdir(parents=True)
    (place / "node_modules").mkdir()
    app = tmp_path / "one"
    app.mkdir()
    (app / "node_modules").write_text("a file is in the way")

    done = run(install_script(INSTALLING, MODULES, place), app)

    assert done.returncode == 0, done.stderr
    assert (app / "node_modules/one").is_file()


def test_a_failure_to_keep_does_not_fail_the_build(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file is in the way")
    done = run(install_script(INSTALLING, MODULES, tmp_path / "kept" / "key"), tmp_path / "one")
    assert done.returncode == 0


def test_caches_of_a_build_are_there_the_next_time(tmp_path: Path) -> None:
    caches = Carryover(name="build", paths=("out/cache",))
    place = tmp_path / "kept" / "key"
    script = build_script(
        "mkdir -p out/cache; echo x >> out/cache/n; cat out/cache/n", caches, place
    )
    assert [run(script, tmp_path / name).stdout.count("x\n") for name in "abc"] == [1, 2, 3]


def test_sources_count_as_newer_than_what_was_kept(tmp_path: Path) -> None:
    caches = Carryover(name="build", paths=("target/release",), touches_sources=True)
    place = tmp_path / "kept" / "key"
    (place / "target/release").mkdir(parents=True)
    (place / "target/release/built").write_text("")
    app = tmp_path / "app"
    app.mkdir()
    (app / "main.rs").write_text("")
    subprocess.run(["touch", "-d", "2001-01-01", app / "main.rs"], check=True)

    done = run(build_script("[ main.rs -nt target/release/built ]", caches, place), app)

    assert done.returncode == 0


RETRY = Retry(
    command="echo again > installed", condition="[ -e reason ]", said="Trying in another way."
)


def test_an_install_that_fails_for_a_known_reason_is_run_in_another_way(tmp_path: Path) -> None:
    script = install_script(Commands(install="touch reason; exit 3", retry=RETRY))

    done = run(script, tmp_path / "app")

    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "$ touch reason; exit 3",
        RETRY.said,
        f"$ {RETRY.command}",
    ]
    assert (tmp_path / "app/installed").read_text() == "again\n"


def test_an_install_that_fails_for_any_other_reason_has_failed(tmp_path: Path) -> None:
    done = run(install_script(Commands(install="exit 3", retry=RETRY)), tmp_path / "app")

    assert done.returncode == 3
    assert names(tmp_path / "app") == set()


@pytest.mark.parametrize("rounds", [1, 2], ids=["installed", "taken over"])
def test_what_completes_dependencies_runs_after_them(tmp_path: Path, rounds: int) -> None:
    commands = Commands(
        install="mkdir -p node_modules", completion="touch node_modules/completed; exit 4"
    )
    place = tmp_path / "kept" / "key"
    for number in range(rounds):
        done = run(install_script(commands, MODULES, place), tmp_path / str(number))
        assert done.returncode == 4
        assert (tmp_path / str(number) / "node_modules/completed").exists()
        (place / "node_modules").mkdir(parents=True, exist_ok=True)


def test_a_build_sees_what_was_prepared(tmp_path: Path) -> None:
    script = build_script('[ "$KEPT" = yes ]', preparation="export KEPT=yes")
    assert run(script, tmp_path / "app").returncode == 0


def key(root: Path, kept: Carryover = MODULES, *conditions: str) -> str | None:
    return key_of(kept, root, conditions)


def test_a_key_is_of_the_named_files_and_conditions(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("1")
    first = key(tmp_path, MODULES, "node 22")
    (tmp_path / "other").write_text("not named")
    assert key(tmp_path, MODULES, "node 22") == first
    assert key(tmp_path, MODULES, "node 20") != first
    (tmp_path / "lock").write_text("2")
    assert key(tmp_path, MODULES, "node 22") != first


def test_a_file_that_leads_out_of_the_app_has_no_key(tmp_path: Path) -> None:
    app = tmp_path / "app"
    app.mkdir()
    (tmp_path / "secret").write_text("x")
    (app / "lock").symlink_to(tmp_path / "secret")
    assert key(app) is None


def test_a_place_is_of_its_kind_and_key() -> None:
    assert place_of(MODULES, "k", Path("/cache")) == Path("/cache/kept/dependencies/k")
