"""Datagrams survive the journey unchanged, or are refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chronotick.core.errors import RemoteProtocolError
from chronotick.eval.streaming.wire import (
    MAX_PAYLOAD,
    BadTag,
    Kind,
    Message,
    decode,
    encode,
)

ns = st.integers(-(2**63) + 1, 2**63 - 1)
counts = st.integers(0, 2**64 - 1)
messages = st.builds(
    Message,
    kind=st.sampled_from(Kind),
    run=st.binary(min_size=16, max_size=16),
    nonce=st.binary(min_size=8, max_size=8),
    event_id=counts,
    sequence=counts,
    send_ns=ns,
    lower_ns=st.none() | ns,
    upper_ns=st.none() | ns,
    payload=st.binary(max_size=64),
)
keys = st.none() | st.binary(min_size=1, max_size=40)


@settings(deadline=None)
@given(messages, keys)
def test_what_is_sent_is_what_arrives(message: Message, key: bytes | None) -> None:
    """Decode ∘ encode is the identity, with a tag and without."""
    assert message == decode(encode(message, key), key)


@settings(deadline=None)
@given(st.binary(max_size=200), keys)
def test_garbage_is_refused_and_nothing_else(
    datagram: bytes, key: bytes | None
) -> None:
    """Arbitrary bytes raise RemoteProtocolError only."""
    with pytest.raises(RemoteProtocolError):
        decode(datagram, key)


@settings(deadline=None)
@given(messages, st.data())
def test_one_changed_bit_breaks_the_tag(message: Message, data: st.DataObject) -> None:
    """Nobody without the key can change a datagram."""
    datagram = bytearray(encode(message, b"key"))
    bit = data.draw(st.integers(0, len(datagram) * 8 - 1))
    datagram[bit // 8] ^= 1 << bit % 8

    with pytest.raises(BadTag):
        decode(bytes(datagram), b"key")


def test_a_tag_is_wanted_where_a_key_is_shared() -> None:
    """An untagged datagram is refused by a worker with a key, and the other way."""
    message = Message(kind=Kind.PING, run=bytes(16), nonce=bytes(8))

    with pytest.raises(BadTag):
        decode(encode(message), b"key")
    with pytest.raises(RemoteProtocolError):
        decode(encode(message, b"key"))


@pytest.mark.parametrize(
    "changes",
    [
        {"payload": bytes(MAX_PAYLOAD + 1)},
        {"run": b"short"},
        {"nonce": b""},
        {"event_id": -1},
        {"send_ns": 2**63},
    ],
)
def test_what_does_not_fit_is_not_sent(changes: dict[str, object]) -> None:
    """A field that does not fit is an error here, not a lie there."""
    fields: dict[str, object] = {
        "kind": Kind.EVENT,
        "run": bytes(16),
        "nonce": bytes(8),
        **changes,
    }
    with pytest.raises(ValueError, match=r"fit|octets"):
        encode(Message(**fields))  # type: ignore[arg-type]
