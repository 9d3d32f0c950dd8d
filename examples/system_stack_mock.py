"""A robot's control stack in miniature: plan at 1 Hz, think at 10, act at 20.

Four daemons on one simulated clock. A slow planner (S2) sets goals, a policy (S1) turns
goals and observations into chunks of commands, a dispenser (S0) hands them out one at a
time, an actuator takes them. Two seconds of it take a few milliseconds, and each run is
the same.

Run it: ``python examples/system_stack_mock.py``
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import anyio
import anyio.lowlevel

from chrono_daemon import (
    Channel,
    Context,
    ReceiveStream,
    SendStream,
    SimClock,
    Supervisor,
    daemon,
    open_channel,
)
from chrono_daemon.recipes.coordination import cooperative_every
from chrono_daemon.recipes.state import Latest

__all__ = [
    "CHUNK_SIZE",
    "OBS_RATE_HZ",
    "S0_HZ",
    "S1_HZ",
    "S1_LATENCY",
    "S2_HZ",
    "S2_LATENCY",
    "Action",
    "Chunk",
    "Obs",
    "Subgoal",
    "actuator",
    "run_mock",
    "s0_dispenser",
    "s1_policy",
    "s2_planner",
]

OBS_RATE_HZ: Final = 20.0
S2_HZ: Final = 1.0
S1_HZ: Final = 10.0
S0_HZ: Final = 20.0
CHUNK_SIZE: Final = 8
S2_LATENCY: Final = 0.05
S1_LATENCY: Final = 0.02


@dataclass(frozen=True)
class Obs:
    """What the sensors saw."""

    t: float
    seq: int


@dataclass(frozen=True)
class Subgoal:
    """Where the planner wants to be."""

    target: float
    cog: int
    t_planned: float


@dataclass(frozen=True)
class Chunk:
    """A few commands ahead, from one look at the world."""

    actions: tuple[float, ...]
    cog: int
    t_emitted: float


@dataclass(frozen=True)
class Action:
    """One command, as it went out."""

    cmd: float
    cog: int
    t_dispensed: float


@daemon
async def s2_planner(
    ctx: Context, obs_cache: Latest[Obs], subgoal_cache: Latest[Subgoal]
) -> None:
    """Plan slowly: look, think for a while, set a goal."""
    async for _ in cooperative_every(ctx, 1 / S2_HZ):
        obs = obs_cache.get()
        if obs is None:
            continue
        await ctx.clock.sleep(S2_LATENCY)
        subgoal_cache.set(
            Subgoal(target=obs.t / 2, cog=obs.seq * 31 % 997, t_planned=ctx.clock.now())
        )


@daemon
async def s1_policy(
    ctx: Context,
    obs_cache: Latest[Obs],
    subgoal_cache: Latest[Subgoal],
    chunk_out: SendStream[Chunk],
) -> None:
    """Turn the latest goal and observation into a chunk of commands."""
    try:
        async for _ in cooperative_every(ctx, 1 / S1_HZ):
            obs, subgoal = obs_cache.get(), subgoal_cache.get()
            if obs is None or subgoal is None:
                continue
            await ctx.clock.sleep(S1_LATENCY)
            actions = tuple(
                subgoal.target + i / 100 + obs.t / 1000 for i in range(CHUNK_SIZE)
            )
            await chunk_out.send(Chunk(actions, subgoal.cog, ctx.clock.now()))
    finally:
        await chunk_out.aclose()


@daemon
async def s0_dispenser(
    ctx: Context, chunk_in: ReceiveStream[Chunk], action_out: SendStream[Action]
) -> None:
    """Hand the commands out at a steady rate."""
    try:
        async for chunk in chunk_in:
            for cmd in chunk.actions:
                if ctx.stopping:
                    return
                await action_out.send(Action(cmd, chunk.cog, ctx.clock.now()))
                await ctx.clock.sleep(1 / S0_HZ)
    finally:
        await action_out.aclose()


@daemon
async def actuator(
    ctx: Context,
    action_in: ReceiveStream[Action],
    log: list[Action],
) -> None:
    """Do as told; here, write it down."""
    async for action in action_in:
        log.append(action)  # noqa: PERF401  (one by one, as they come)


async def run_mock(duration_s: float = 2.0) -> list[Action]:
    """Run the stack for `duration_s` virtual seconds; return what the actuator did."""
    clock = SimClock()
    observations: Latest[Obs] = Latest()
    subgoals: Latest[Subgoal] = Latest()
    chunks: Channel[Chunk] = open_channel(4)
    actions: Channel[Action] = open_channel(64)
    log: list[Action] = []
    async with Supervisor(clock=clock) as supervisor:
        supervisor.add(s2_planner(observations, subgoals))
        supervisor.add(s1_policy(observations, subgoals, chunks.send))
        supervisor.add(s0_dispenser(chunks.recv, actions.send))
        supervisor.add(actuator(actions.recv, log))
        for seq in range(max(1, round(duration_s * OBS_RATE_HZ))):
            observations.set(Obs(clock.now(), seq))
            await anyio.lowlevel.checkpoint()
            await clock.advance(1 / OBS_RATE_HZ)
        await supervisor.stop(grace=0)
    return log


def main() -> None:
    """Run two seconds and print what came out."""
    actions = anyio.run(run_mock)
    print(f"{len(actions)} actions in 2 virtual seconds")
    for action in actions[:3]:
        print(f"  t={action.t_dispensed:.2f} s  cmd={action.cmd:.3f}  cog={action.cog}")
    print("  ...")


if __name__ == "__main__":
    main()
