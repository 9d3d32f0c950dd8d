"""The protocol as a state machine small enough to be searched completely.

One writer publishes a few frames of two words each; readers copy and accept or retry.
Memory is *weaker* than any machine we run on, short of POWER: a store waits in the
writer's buffer and may become visible in any order but for fences, release stores and
the order of stores to one place; a reader's loads happen in any order that its acquire
load, its fence and its addresses allow. What becomes visible, becomes so to all
(multi-copy atomicity, as on x86, ARMv8 and RISC-V).

`explore` visits every reachable state, with the fences of the protocol or with some of
them taken away, and returns what was accepted although it was wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["PROTOCOL", "Fences", "Found", "explore"]

_FENCE = ("fence", 0)
_Store = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fences:
    """Which orderings hold."""

    release_fence: bool = True
    """Writer: nothing of a slot before the last sequence."""
    release_store: bool = True
    """Writer: no sequence before its slot."""
    acquire_load: bool = True
    """Reader: no word before the sequence that names its slot."""
    acquire_fence: bool = True
    """Reader: no second look at the sequence before the words."""


PROTOCOL = Fences()


class _Reader(NamedTuple):
    """What one attempt has loaded so far; None: not yet."""

    first: int | None = None
    words: tuple[int | None, int | None] = (None, None)
    second: int | None = None
    guessed: int | None = None
    """The slot that was read before its sequence was known (no acquire)."""
    newest: int = 0
    """The newest frame that this reader accepted before."""


class _State(NamedTuple):
    memory: tuple[int, int, int, int, int]
    """The sequence and two slots of two words."""
    step: int
    """How many stores the writer has issued."""
    buffer: tuple[_Store, ...]
    readers: tuple[_Reader, ...]


class Found(NamedTuple):
    """What a search has seen."""

    states: int
    memories: set[tuple[int, ...]]
    """Every content of the memory: what a writer killed at any point leaves."""
    faults: set[str]


def explore(fences: Fences, *, publications: int = 3, readers: int = 2) -> Found:
    """Visit every state that can be reached."""
    program = _writer_program(fences, publications)
    start = _State((0, 0, 0, 0, 0), 0, (), (_Reader(),) * readers)
    seen, todo = {start}, [start]
    faults: set[str] = set()
    while todo:
        state = todo.pop()
        for successor in _successors(state, program, fences, faults):
            if successor not in seen:
                seen.add(successor)
                todo.append(successor)
    return Found(len(seen), {state.memory for state in seen}, faults)


def _writer_program(fences: Fences, publications: int) -> list[_Store]:
    program: list[_Store] = []
    for frame in range(1, publications + 1):
        slot = 1 + 2 * (frame & 1)
        if fences.release_fence:
            program.append(_FENCE)
        program += [(f"{slot}", frame), (f"{slot + 1}", frame)]
        if fences.release_store:
            program.append(_FENCE)
        program.append(("0", frame))
    return program


def _successors(
    state: _State, program: list[_Store], fences: Fences, faults: set[str]
) -> list[_State]:
    found = []
    if state.step < len(program):
        pending = (*state.buffer, program[state.step])
        found.append(state._replace(step=state.step + 1, buffer=_settled(pending)))
    for index, store in enumerate(state.buffer):
        if store == _FENCE:
            break  # Nothing behind a fence is visible before all that is ahead of it.
        place, value = store
        if any(place == earlier for earlier, _ in state.buffer[:index]):
            continue
        memory = list(state.memory)
        memory[int(place)] = value
        rest = _settled(state.buffer[:index] + state.buffer[index + 1 :])
        found.append(
            state._replace(memory=_memory(memory), buffer=rest),
        )
    for index, reader in enumerate(state.readers):
        for moved in _reader_steps(reader, state.memory, fences, faults):
            others = list(state.readers)
            others[index] = moved
            found.append(state._replace(readers=tuple(others)))
    return found


def _memory(values: list[int]) -> tuple[int, int, int, int, int]:
    a, b, c, d, e = values
    return a, b, c, d, e


def _settled(buffer: tuple[_Store, ...]) -> tuple[_Store, ...]:
    """Drop fences that have nothing before them."""
    while buffer and buffer[0] == _FENCE:
        buffer = buffer[1:]
    return buffer


def _reader_steps(
    reader: _Reader, memory: tuple[int, ...], fences: Fences, faults: set[str]
) -> list[_Reader]:
    found = []
    if reader.first is None:
        found.append(reader._replace(first=memory[0]))
        if not fences.acquire_load and reader.guessed is None:
            # The processor may guess the slot and load from it ahead of the sequence.
            found += [reader._replace(guessed=slot) for slot in (0, 1)]
    slot = reader.guessed if reader.first is None else reader.first & 1
    if slot is not None:
        for index in (0, 1):
            if reader.words[index] is None:
                words = list(reader.words)
                words[index] = memory[1 + 2 * slot + index]
                found.append(reader._replace(words=(words[0], words[1])))
    is_copied = None not in reader.words
    may_confirm = is_copied or not fences.acquire_fence
    if reader.second is None and reader.first is not None and may_confirm:
        found.append(reader._replace(second=memory[0]))
    if reader.first is not None and reader.second is not None and is_copied:
        found.append(_judged(reader, faults))
    return found


def _judged(reader: _Reader, faults: set[str]) -> _Reader:
    """Accept or retry, as the protocol says, and start the next attempt."""
    first, (one, two) = reader.first, reader.words
    assert first is not None
    mispredicted = reader.guessed not in {None, first & 1}
    if mispredicted or first != reader.second or first == 0:
        return _Reader(newest=reader.newest)
    if one != two:
        faults.add("torn")
    elif one != first:
        faults.add("a frame that its sequence does not name")
    elif first < reader.newest:
        faults.add("older than before")
    return _Reader(newest=first)
