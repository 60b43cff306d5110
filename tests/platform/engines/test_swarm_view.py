"""What is made of what a swarm says."""

import pytest

from createos_mcp.contract.values import Json
from createos_mcp.platform.engines.swarm_view import Node, SwarmView, Task


def node(node_id: str, state: str = "ready", **description: Json) -> Node:
    row = {"ID": node_id, "Spec": {"Availability": "active"}, "Status": {"State": state}}
    return Node.of({**row, **description})


def task(
    node_id: str = "one", state: str = "running", desired: str = "running", code: int = 0
) -> Task:
    return Task.of(
        {
            "ID": "t",
            "NodeID": node_id,
            "DesiredState": desired,
            "Status": {"State": state, "ContainerStatus": {"ContainerID": "c", "ExitCode": code}},
        }
    )


@pytest.mark.parametrize("description", [{}, {"Description": {"Platform": {}}}])
def test_a_machine_that_is_about_to_join_has_no_name_yet(description: Json) -> None:
    assert node("one", **description).name == "one"


def test_a_task_of_a_lost_machine_has_no_ending_though_it_has_a_code() -> None:
    lost = task(state="running", desired="shutdown")
    assert not lost.is_running
    assert lost.ending is None


@pytest.mark.parametrize(("state", "code"), [("complete", 0), ("failed", 7), ("shutdown", 143)])
def test_one_that_ended_tells_its_code(state: str, code: int) -> None:
    assert task(state=state, desired="shutdown", code=code).ending == code


def test_what_a_silent_machine_runs_does_not_run() -> None:
    view = SwarmView(tasks={"s": task()}, nodes={"one": node("one", "down")})
    assert not view.is_running("s")
    assert not view.has_process("s")


def test_one_that_is_being_ended_is_over_once_its_machine_says_so_or_is_gone() -> None:
    ending = task(desired="shutdown")
    here, gone = {"one": node("one")}, {"one": node("one", "down")}
    assert not SwarmView(tasks={"s": ending}, nodes=here).is_over("s")
    assert SwarmView(tasks={"s": ending}, nodes=gone).is_over("s")
    for state in ("complete", "failed", "shutdown", "rejected", "orphaned"):
        assert SwarmView(tasks={"s": task(state=state)}, nodes=here).is_over("s"), state
    assert SwarmView(tasks={}, nodes=here).is_over("s")


def test_machines_with_more_replicas_than_others_are_avoided() -> None:
    nodes = {name: node(name) for name in ("one", "two")} | {"three": node("three", "down")}
    tasks = {"a": task("one"), "b": task("one", "starting"), "c": task("two"), "d": task("three")}
    view = SwarmView(tasks=tasks, nodes=nodes)
    assert view.more_used_than_others(["a", "b", "c", "d"]) == ["one"]
    assert view.more_used_than_others(["c"]) == ["two"]
    assert view.more_used_than_others([]) == []


def test_why_one_did_not_start_is_told_apart() -> None:
    assert "still preparing" in task(state="preparing").why_not
    assert "is free" in task(node_id="", state="pending").why_not
