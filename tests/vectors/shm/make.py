"""Make the golden image of a layout, once, when the layout is fixed; never again.

Run as ``python tests/vectors/shm/make.py`` with ``tests`` on the path. It refuses to
replace an image: readers in the field have seen it.
"""

from __future__ import annotations

import json
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

from chronotick.core.records import Variance
from chronotick.core.status import Leap, Reason, Smear, Source, Status
from chronotick.core.units import NS_PER_S
from chronotick.shm.codec import decode_slot
from chronotick.shm.layout import SLOT_AT, SLOT_SIZE, VERSION
from chronotick.shm.writer import SegmentWriter
from unit.shm.frames import RAW_NS, UTC_NS, make_frame

if TYPE_CHECKING:
    from chronotick.core.records import Frame

HERE = Path(__file__).parent
_MADE_UP = {
    "chronotick.shm.writer.boot_id": bytes(range(0x10, 0x20)),
    "chronotick.shm.writer.time_namespace": 4_026_531_834,
    "os.urandom": bytes(range(0xA0, 0xA8)),
    "os.getpid": 4242,
}


def main() -> None:
    """Publish a history with every field set and keep the bytes."""
    image_path = HERE / f"layout-{VERSION}.bin"
    if image_path.exists():
        raise SystemExit(f"{image_path} exists: a golden image is made once")
    with ExitStack() as stack:
        for target, value in _MADE_UP.items():
            stack.enter_context(patch(target, return_value=value))
        path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "segment"
        with SegmentWriter(path) as writer:
            for number in range(1, 51):
                writer.publish(_frame(number))
        data = path.read_bytes()
    slots = [decode_slot(s, data, SLOT_AT + SLOT_SIZE * (s & 1)) for s in (49, 50)]
    expected = {
        "slots": [slot._asdict() for slot in slots],
        "history_numbers": list(range(50, 6, -1)),
    }
    image_path.write_bytes(data)
    (HERE / f"layout-{VERSION}.json").write_text(json.dumps(expected, indent=1) + "\n")


def _frame(number: int) -> Frame:
    raw_ns = RAW_NS + number * NS_PER_S
    base = make_frame(raw_ns=raw_ns)
    return make_frame(
        raw_ns=raw_ns - 2_000_000,
        utc_ns=UTC_NS + number * NS_PER_S + 987_654,
        rate_ppb=-12_345.678_901,
        bound_ns=123_456 + number,
        bound_growth_ppb=15_001,
        variance=Variance(1.5e8, -2.5, 640.25, 1e-5),
        status=Status.HOLDOVER,
        reasons=Reason.SOURCES_LOST | Reason.FALSETICKERS,
        source=Source.FUSION,
        confidence=0.8,
        last_sync_raw_ns=raw_ns - 16 * NS_PER_S,
        measurement_count=1000 + number,
        delay_ns=1_234_567,
        leap=Leap.INSERT,
        coverage_99=2.81,
        coverage_999=3.9,
        frame={
            "clocks": base.clocks._replace(
                realtime_ns=UTC_NS + number * NS_PER_S + number * 5_000,
                error_ns=250,
                suspend_ns=7_000_000_000,
            ),
            "void_after_raw_ns": raw_ns + 600 * NS_PER_S,
            "tai_minus_utc_s": 37,
            "smear": Smear.NONE,
            "disruption_marker": 0xDEAD_BEEF_0BAD_F00D,
            "correction_count": 2000 + number,
        },
    )


if __name__ == "__main__":
    main()
