"""The protocol, searched completely: right as it is, wrong without any of its parts."""

from __future__ import annotations

import pytest

from unit.shm.protocol_model import PROTOCOL, Fences, explore


@pytest.mark.parametrize(("publications", "readers"), [(1, 2), (2, 2), (3, 2), (5, 1)])
def test_no_interleaving_accepts_a_wrong_copy(publications: int, readers: int) -> None:
    """All interleavings and all reorderings that the fences allow."""
    found = explore(PROTOCOL, publications=publications, readers=readers)

    assert found.faults == set()
    assert found.states > 50


@pytest.mark.parametrize(
    "fences",
    [
        Fences(release_fence=False),
        Fences(release_store=False),
        Fences(acquire_fence=False),
        Fences(acquire_load=False),
    ],
    ids=["release fence", "release store", "acquire fence", "acquire load"],
)
def test_every_fence_is_needed(fences: Fences) -> None:
    """Without it the search finds a wrong copy, so it can find one."""
    assert explore(fences, publications=3, readers=1).faults


def test_a_writer_killed_anywhere_leaves_the_last_frame_readable() -> None:
    """In each memory that it can leave, the first attempt copies the frame named."""
    memories = explore(PROTOCOL, publications=4, readers=1).memories
    assert len(memories) > 12

    for sequence, *slots in memories:
        if sequence:
            live = slots[2 * (sequence & 1) :][:2]
            assert live == [sequence, sequence]
