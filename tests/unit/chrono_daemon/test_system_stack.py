"""The system-stack examples do what their pages say, the same each time."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

import system_stack_mock
from chrono_daemon import Supervisor
from system_stack_mock import Action, run_mock
from system_stack_multi_session import (
    Dispatcher,
    SessionLog,
    run_multi_session,
    run_with_early_unregister,
)

pytestmark = pytest.mark.anyio

EXAMPLES = Path(system_stack_mock.__file__).parent


async def test_the_first_second_is_spent_planning() -> None:
    """No action comes out before the first plan."""
    assert await run_mock(1.0) == []


async def test_two_seconds_give_eighteen_actions() -> None:
    """From about 1.12 s to about 1.97 s, and every run is identical."""
    actions = await run_mock()
    assert len(actions) == 18
    assert actions[0].t_dispensed == pytest.approx(1.12, abs=0.01)
    assert actions[-1].t_dispensed == pytest.approx(1.97, abs=0.01)
    assert all(isinstance(action, Action) for action in actions)
    assert await run_mock(2.0) == actions


async def test_sessions_don_t_share_time() -> None:
    """Two sessions of different length give what each gives alone."""
    logs = await run_multi_session({"short": 2.0, "long": 3.0})
    assert {sid: len(log.actions) for sid, log in logs.items()} == {
        "short": 18,
        "long": 38,
    }
    assert logs["short"].actions == await run_mock(2.0)
    assert logs["long"] == SessionLog("long", await run_mock(3.0))


async def test_a_session_can_be_ended_early() -> None:
    """Unregistered at once, it never acts."""
    log = await run_with_early_unregister(60.0, 0.0)
    assert (log.sid, log.actions) == ("victim", [])


async def test_a_session_has_one_name() -> None:
    """Registering it twice is an error."""
    async with Supervisor() as supervisor:
        dispatcher = Dispatcher(supervisor)
        dispatcher.register("a", duration_s=0.1)
        with pytest.raises(ValueError, match="'a'"):
            dispatcher.register("a", duration_s=0.1)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("system_stack_mock", "18 actions"),
        ("system_stack_multi_session", "long: 38 actions"),
    ],
)
def test_an_example_runs_as_a_script(
    name: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It prints a short summary."""
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    assert says in capsys.readouterr().out
