"""One association: which datagram is an answer, and what the answer is worth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.errors import LocalProtocolError
from chronotick.core.records import Endpoint
from chronotick.core.status import Leap
from chronotick.ntp.actions import (
    ArmTimer,
    Drop,
    DropReason,
    Emit,
    Kiss,
    KissCode,
    Lost,
    Send,
)
from chronotick.ntp.exchange import Association
from chronotick.ntp.onwire import ExchangeLimits
from chronotick.ntp.packet import Mode, Packet, client_request, encode
from chronotick.ntp.timestamp import NtpTimestamp
from unit.ntp.replies import COOKIE, SENT_RAW_NS, SERVER, datagram, reply

ZERO = NtpTimestamp(0)
OTHER = NtpTimestamp(0xFEDC_BA98_7654_3210)


def waiting(cookie: NtpTimestamp = COOKIE) -> Association:
    """Return an association that waits for the answer to `cookie`."""
    association = Association("a")
    ask(association, cookie)
    return association


def ask(association: Association, cookie: NtpTimestamp = COOKIE) -> None:
    """Send one request."""
    association.begin(SERVER, cookie)
    association.sent(SENT_RAW_NS)


def kiss_id(code: str) -> int:
    """Return the reference id that says `code`."""
    return int.from_bytes(code.encode().ljust(4, b"\0"), "big")


def test_a_whole_exchange() -> None:
    """Send, arm, emit: the driver is told each step and nothing is left over."""
    association = Association("a", ExchangeLimits(timeout_s=1.5))

    send = association.begin(SERVER, COOKIE)
    timer = association.sent(SENT_RAW_NS)
    outcome = association.received(datagram(reply()))

    assert send == Send(endpoint=SERVER, payload=encode(client_request(COOKIE)))
    assert timer == ArmTimer(after_s=1.5)
    assert isinstance(outcome, Emit)
    assert outcome.sample.server == "a"
    assert not association.is_waiting
    assert association.dropped == {}


FORGERIES = [
    (datagram(reply(), origin=Endpoint("192.0.2.2", 123)), DropReason.SOURCE),
    (datagram(reply(), origin=Endpoint("192.0.2.1", 124)), DropReason.SOURCE),
    (datagram(reply(mode=Mode.CLIENT)), DropReason.MODE),
    (datagram(reply(mode=Mode.BROADCAST)), DropReason.MODE),
    (datagram(reply(version=2)), DropReason.VERSION),
    (datagram(reply(version=5)), DropReason.VERSION),
    (datagram(reply(origin=OTHER)), DropReason.ORIGIN),
    (datagram(reply(origin=ZERO)), DropReason.ORIGIN),
    (datagram(b"hello"), DropReason.MALFORMED),
    # Without the cookie, the kiss of death is anybody's.
    (
        datagram(reply(origin=OTHER, stratum=0, reference_id=kiss_id("DENY"))),
        DropReason.ORIGIN,
    ),
]


@pytest.mark.parametrize(("forged", "reason"), FORGERIES)
def test_what_proves_nothing_changes_nothing(forged: object, reason: str) -> None:
    """Packets that anyone can send are dropped, and the true answer is still taken."""
    association = waiting()

    outcome = association.received(forged)  # type: ignore[arg-type]

    assert isinstance(outcome, Drop)
    assert outcome.reason == reason
    assert association.is_waiting
    assert association.dropped == {reason: 1}
    assert isinstance(association.received(datagram(reply())), Emit)


@given(payload=st.binary(max_size=120))
def test_arbitrary_datagrams_are_dropped(payload: bytes) -> None:
    """Random bytes are never taken for an answer and never raise."""
    association = waiting()

    assert isinstance(association.received(datagram(payload)), Drop)
    assert association.is_waiting


REFUSALS = [
    (reply(leap=Leap.UNSYNCHRONIZED), DropReason.UNSYNCHRONIZED, "leap 3"),
    (reply(stratum=16), DropReason.UNSYNCHRONIZED, "stratum 16"),
    (reply(stratum=255), DropReason.UNSYNCHRONIZED, "stratum 255"),
    (reply(stratum=0, reference_id=0), DropReason.UNSYNCHRONIZED, "stratum 0"),
    (reply(stratum=0, reference_id=kiss_id("STEP")), DropReason.KISS, "code STEP"),
    (reply(transmit=ZERO), DropReason.TIMESTAMPS, "zero"),
    (reply(receive=ZERO), DropReason.TIMESTAMPS, "zero"),
]


@pytest.mark.parametrize(("answer", "reason", "detail"), REFUSALS)
def test_useless_answers_end_the_exchange(
    answer: object, reason: str, detail: str
) -> None:
    """An answer that echoes the cookie is the server's word: there is no other."""
    association = waiting()

    outcome = association.received(datagram(answer))  # type: ignore[arg-type]

    assert outcome == Drop(reason=DropReason(reason), detail=detail)
    assert not association.is_waiting
    assert association.reach == 0


@pytest.mark.parametrize("stratum", [1, 15])
@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("leap", [Leap.NONE, Leap.INSERT, Leap.DELETE])
def test_usable_answers(stratum: int, version: int, leap: Leap) -> None:
    """Versions 3 and 4, strata 1 to 15, leap announcements: all give samples."""
    answer = reply(stratum=stratum, version=version, leap=leap)

    outcome = waiting().received(datagram(answer))

    assert isinstance(outcome, Emit)
    assert (outcome.sample.stratum, outcome.sample.leap) == (stratum, leap)


_ID = 0xC000_0207
LOOPS = [
    ("192.0.2.7", reply(stratum=2, reference_id=_ID), True),
    ("::ffff:192.0.2.7", reply(stratum=2, reference_id=_ID), True),
    # The beginning of the MD5 of its 16 bytes.
    ("2001:db8::7", reply(stratum=15, reference_id=0xE1B2_C29D), True),
    ("192.0.2.8", reply(stratum=2, reference_id=_ID), False),
    ("192.0.2.7", reply(stratum=1, reference_id=_ID), False),
    ("127.0.0.1", reply(stratum=2, reference_id=0x7F00_0001), False),
    ("::ffff:127.0.0.1", reply(stratum=2, reference_id=0x7F00_0001), False),
    (None, reply(stratum=2, reference_id=_ID), False),
]


@pytest.mark.parametrize(("ours", "answer", "is_loop"), LOOPS)
def test_who_follows_us_is_not_heard(
    ours: str | None, answer: Packet, is_loop: bool
) -> None:
    """At stratum 1 the field is a code, and 127.0.0.1 is everybody's address."""
    association = waiting()

    outcome = association.received(datagram(answer, destination=ours))

    if is_loop:
        detail = f"its reference is {ours}, this host"
        assert outcome == Drop(reason=DropReason.LOOP, detail=detail)
        assert not association.is_waiting
    else:
        assert isinstance(outcome, Emit)


@pytest.mark.parametrize("stratum", [1, 2])
@pytest.mark.parametrize("ours", [SERVER.address, "192.0.2.9"])
@pytest.mark.parametrize("reference", [_ID, _ID + 1])
def test_who_follows_on_this_host_whom_we_ask_is_not_heard(
    stratum: int, ours: str, reference: int
) -> None:
    """Our own service, asked by ourselves; another host may follow whom it likes."""
    answer = datagram(reply(stratum=stratum, reference_id=reference), destination=ours)

    outcome = waiting().received(answer, followed={_ID})

    is_loop = (stratum, ours, reference) == (2, SERVER.address, _ID)
    assert isinstance(outcome, Drop if is_loop else Emit)
    if is_loop:
        assert isinstance(waiting().received(answer, followed=()), Emit)


@pytest.mark.parametrize("theirs", ["127.0.1.1", "::ffff:127.0.0.2"])
def test_every_loopback_address_is_this_host(theirs: str) -> None:
    """All are asked from 127.0.0.1; Debian's hosts find themselves at 127.0.1.1."""
    association, endpoint = Association("a"), Endpoint(theirs, 123)
    association.begin(endpoint, COOKIE)
    association.sent(SENT_RAW_NS)
    answer = reply(stratum=2, reference_id=_ID)
    arrived = datagram(answer, origin=endpoint, destination="127.0.0.1")

    outcome = association.received(arrived, followed={_ID})

    assert isinstance(outcome, Drop)
    assert outcome.reason is DropReason.LOOP


@pytest.mark.parametrize("code", list(KissCode))
def test_kisses_are_obeyed(code: KissCode) -> None:
    """RATE, DENY and RSTR come through, even with the leap bits that kisses carry."""
    association = waiting()
    answer = reply(
        stratum=0,
        leap=Leap.UNSYNCHRONIZED,
        reference_id=kiss_id(code),
        receive=ZERO,
        transmit=ZERO,
    )

    outcome = association.received(datagram(answer))

    assert outcome == Kiss(code=code)
    assert not association.is_waiting
    assert association.dropped == {"kiss": 1}


def test_a_copy_of_the_answer_is_a_duplicate() -> None:
    """The network may duplicate; a cookie is good once, also while the next waits."""
    association = waiting()
    association.received(datagram(reply()))

    after = association.received(datagram(reply()))
    ask(association, OTHER)
    during = association.received(datagram(reply()))

    assert after == during == Drop(reason=DropReason.DUPLICATE)
    assert association.is_waiting
    assert association.dropped == {"duplicate": 2}


def test_unasked_packets_are_unexpected() -> None:
    """Before the first request, and between begin and sent, nothing is an answer."""
    association = Association("a")
    before = association.received(datagram(reply()))
    association.begin(SERVER, COOKIE)

    prepared = association.received(datagram(reply()))

    assert before == prepared == Drop(reason=DropReason.UNEXPECTED)


def test_timing_out() -> None:
    """A request is given up once; its late answer is unexpected."""
    association = waiting()

    lost = association.timed_out()

    assert lost == Lost(detail="no answer within 2 s")
    assert association.timed_out() is None
    late = association.received(datagram(reply()))
    assert late == Drop(reason=DropReason.UNEXPECTED)


def test_timer_that_fires_after_the_answer() -> None:
    """The race between answer and timer is no loss."""
    association = waiting()
    association.received(datagram(reply()))

    assert association.timed_out() is None


def test_refusal_by_the_network() -> None:
    """A send that fails ends the request with the reason given."""
    association = Association("a")
    association.begin(SERVER, COOKIE)

    lost = association.failed("port unreachable")

    assert lost == Lost(detail="port unreachable")
    assert not association.is_waiting


@given(polls=st.lists(st.booleans(), max_size=20))
def test_reach_is_the_last_eight_polls(polls: list[bool]) -> None:
    """Each poll shifts the register, a sample sets its bit (RFC 5905 §13)."""
    association = Association("a")
    for number, is_answered in enumerate(polls, start=1):
        cookie = NtpTimestamp(number)
        ask(association, cookie)
        if is_answered:
            association.received(datagram(reply(origin=cookie)))
        else:
            association.timed_out()

    expected = sum(bit << age for age, bit in enumerate(reversed(polls[-8:])))
    assert expected == association.reach


def test_a_poll_that_cannot_begin_counts() -> None:
    """A name without an address makes the server less reachable."""
    association = waiting()
    association.received(datagram(reply()))

    lost = association.missed("unresolvable")

    assert lost == Lost(detail="unresolvable")
    assert association.reach == 0b10


def test_misuse_raises() -> None:
    """Steps out of order and a cookie of zero are our bugs."""
    association = Association("a")

    with pytest.raises(LocalProtocolError, match="to be sent"):
        association.sent(SENT_RAW_NS)
    with pytest.raises(LocalProtocolError, match="zero"):
        association.begin(SERVER, ZERO)
    ask(association)
    with pytest.raises(LocalProtocolError, match="to be sent"):
        association.sent(SENT_RAW_NS)
    with pytest.raises(LocalProtocolError, match="outstanding"):
        association.begin(SERVER, OTHER)
    with pytest.raises(LocalProtocolError, match="outstanding"):
        association.missed("unresolvable")


def test_counts_are_a_copy() -> None:
    """A report that was made does not change under its reader."""
    association = waiting()
    before = association.dropped

    association.received(datagram(b""))

    assert before == {}
    assert association.dropped == {"malformed": 1}
