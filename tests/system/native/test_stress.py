"""Full speed in C, with and without sanitizers. The long run is benchmarks/read_soak.py."""

from __future__ import annotations

import pytest

from system.native.compiling import STRICT, compiled, run

_THREADS = ("-std=gnu11", "-pthread")


def _counts(output: str) -> dict[str, int]:
    words = output.split()
    return dict(zip(words[::2], map(int, words[1::2]), strict=True))


def test_no_reader_of_a_writer_at_full_speed_accepts_a_mixture() -> None:
    """Two readers, a checksum in every slot, a writer that never rests."""
    code, output = run(compiled("stress.c", *_THREADS, *STRICT), "2", "1000000")
    counts = _counts(output)

    assert code == 0, output
    assert counts["torn"] == 0
    assert counts["reads"] == 2_000_000
    assert counts["published"] > 1_000


@pytest.mark.parametrize(
    ("flags", "reads"),
    [
        # TSan does not model fences and says so; all that is shared here is atomic.
        (("-O1", "-g", "-fsanitize=thread", "-Wno-tsan"), "50000"),
        (
            ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
            "100000",
        ),
    ],
    ids=["thread", "address and undefined"],
)
def test_sanitizers_find_nothing(flags: tuple[str, ...], reads: str) -> None:
    """No data race, no stray access, nothing undefined."""
    code, output = run(compiled("stress.c", *_THREADS, *flags), "2", reads)

    assert code == 0, output
    assert "WARNING" not in output
    assert "ERROR" not in output
    assert _counts(output)["torn"] == 0


def test_the_checksums_find_a_protocol_that_is_broken() -> None:
    """Without the second look at the sequence mixtures are accepted, and counted."""
    flags = ("-DCHRONOTICK_TEST_NO_SECOND_LOOK", "-O2")
    torn = 0
    for _ in range(20):
        _, output = run(compiled("stress.c", *_THREADS, *flags), "2", "1000000")
        torn += _counts(output)["torn"]
        if torn:
            break

    assert torn > 0


@pytest.mark.parametrize(
    ("flags", "publications"),
    [
        (STRICT, "100000"),
        # TSan does not model fences and says so; all that readers share is atomic.
        (("-O1", "-g", "-fsanitize=thread", "-Wno-tsan"), "10000"),
        (
            ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
            "20000",
        ),
    ],
    ids=["plain", "thread", "address and undefined"],
)
def test_the_loop_and_the_heart_are_one_writer(
    flags: tuple[str, ...], publications: str
) -> None:
    """Each store has a sequence of its own; no reader accepts a mixture; no race."""
    code, output = run(compiled("heart.c", *_THREADS, *flags), "2", publications)

    assert code == 0, output
    assert "WARNING" not in output
    assert "ERROR" not in output
    counts = _counts(output)
    assert counts["mixtures"] == 0
    assert counts["steps"] == counts["publications"] + counts["beats"]
    assert counts["beats"] > 10
    assert counts["reads"] > 1_000


def test_two_writers_without_a_lock_are_found_out() -> None:
    """Beside a loop that stores without the heart's lock, stores are lost or mixed."""
    program = compiled("heart.c", *_THREADS, "-O2", "-DCHRONOTICK_TEST_NO_LOCK")
    for _ in range(50):
        code, _ = run(program, "2", "100000")
        if code:
            break

    assert code != 0
