"""`fusion.audit`: counts what missed, and only that."""

from __future__ import annotations

from chronotick.core.records import Audit, Estimate, Variance
from chronotick.core.span import Span
from chronotick.core.status import Source
from chronotick.fusion.audit import Auditor
from chronotick.fusion.calibrate import Coverage
from chronotick.fusion.quiet import Check
from unit.oscillators import EPOCH_NS, sample


def test_an_answer_that_shares_nothing_with_the_claim_is_a_miss() -> None:
    """Touching is enough; a nanosecond beyond is not."""
    auditor = Auditor()
    answer = sample(0, EPOCH_NS, delay_ns=2_000, precision_ns=0)
    auditor.check_hard(answer, Span(EPOCH_NS + 1_000, EPOCH_NS + 9_000))
    auditor.check_hard(answer, Span(EPOCH_NS + 1_001, EPOCH_NS + 9_000))
    assert auditor.audit() == Audit(hard_checks=2, hard_misses=1)


def test_each_level_is_counted_by_itself() -> None:
    """350 ns off a claim of 100 ns: outside three sigmas, inside four."""
    auditor = Auditor()
    claim = Estimate(
        raw_ns=0,
        offset_ns=EPOCH_NS,
        rate_ppb=0.0,
        variance=Variance(100.0**2),
        source=Source.CPU_MODEL,
    )
    for error_ns in (0, 350, -350, 450):
        auditor.check_calibrated(
            Check(0, EPOCH_NS + error_ns, 0.0), claim, Coverage(3.0, 4.0, 1)
        )
    assert auditor.audit() == Audit(calibrated_checks=4, misses_99=3, misses_999=1)
