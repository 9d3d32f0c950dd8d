"""The datagrams between coordinator and workers: bytes ↔ frozen records, nothing else.

Decides what a well-formed datagram is and whether its tag proves the shared key. One
fixed header in network byte order, a payload, and, where a key is shared, 32 octets of
HMAC-SHA256 over everything before them.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import struct
from dataclasses import dataclass

from chronotick.core.errors import RemoteProtocolError

__all__ = ["MAX_PAYLOAD", "BadTag", "Kind", "Message", "decode", "encode"]

_HEADER = struct.Struct("!4sB3x16s8sQQqqqI")
_MAGIC = b"CTE1"
_TAG_BYTES = hashlib.sha256().digest_size
_NULL = -(2**63)
# With header and tag below the smallest IPv6 MTU, so that nothing is ever fragmented.
MAX_PAYLOAD = 1024
"""Octets of payload in one datagram at most."""


class BadTag(RemoteProtocolError):
    """The tag is missing or wrong: another key, or somebody else."""


class Kind(enum.IntEnum):
    """What a datagram says."""

    EVENT = 1
    ACK = 2
    """Repeats the event's run, nonce, event and sequence number."""
    PING = 3
    """Are you ready for this run?"""
    PONG = 4
    """The payload is empty if so, and says why not otherwise."""
    STOP = 5
    """No more events of this run; answered by an ACK."""
    GIVEN_UP = 6
    """The coordinator ends without having finished this run; nobody answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One datagram."""

    kind: Kind
    run: bytes
    """16 octets that tell this run from any other."""
    nonce: bytes
    """8 random octets; an answer repeats those of what it answers."""
    event_id: int = 0
    sequence: int = 0
    send_ns: int = 0
    """Coordinator's system time just before the send, Unix ns."""
    lower_ns: int | None = None
    """Its hard interval at that instant; None while it has none."""
    upper_ns: int | None = None
    payload: bytes = b""

    def answer(self, kind: Kind, payload: bytes = b"") -> Message:
        """Return the answer of `kind` to this."""
        return Message(
            kind=kind,
            run=self.run,
            nonce=self.nonce,
            event_id=self.event_id,
            sequence=self.sequence,
            payload=payload,
        )


def encode(message: Message, key: bytes | None = None) -> bytes:
    """Return the datagram, with a tag if there is a `key`.

    Raises:
        ValueError: a field does not fit; the datagram would be a lie.
    """
    if len(message.payload) > MAX_PAYLOAD:
        raise ValueError(f"a payload has at most {MAX_PAYLOAD} octets")
    if len(message.run) != 16 or len(message.nonce) != 8:  # noqa: PLR2004 - the layout
        raise ValueError("a run has 16 octets and a nonce 8")
    try:
        header = _HEADER.pack(
            _MAGIC,
            message.kind,
            message.run,
            message.nonce,
            message.event_id,
            message.sequence,
            message.send_ns,
            _NULL if message.lower_ns is None else message.lower_ns,
            _NULL if message.upper_ns is None else message.upper_ns,
            len(message.payload),
        )
    except struct.error as error:
        raise ValueError(f"a field does not fit: {error}") from error
    datagram = header + message.payload
    return datagram if key is None else datagram + _tag(datagram, key)


def decode(datagram: bytes, key: bytes | None = None) -> Message:
    """Return what `datagram` says.

    Raises:
        BadTag: a key is shared and the tag does not prove it.
        RemoteProtocolError: it is not one of ours.
    """
    if key is not None:
        datagram, tag = datagram[:-_TAG_BYTES], datagram[-_TAG_BYTES:]
        if not hmac.compare_digest(tag, _tag(datagram, key)):
            raise BadTag("the tag is missing or wrong")
    if len(datagram) < _HEADER.size or not datagram.startswith(_MAGIC):
        raise RemoteProtocolError("not a datagram of the evaluation")
    _, kind, run, nonce, event, sequence, send_ns, lower, upper, length = (
        _HEADER.unpack_from(datagram)
    )
    payload = datagram[_HEADER.size :]
    if len(payload) != length or length > MAX_PAYLOAD:
        raise RemoteProtocolError("the payload is not as long as it says")
    try:
        known = Kind(kind)
    except ValueError as error:
        raise RemoteProtocolError(f"unknown kind {kind}") from error
    return Message(
        kind=known,
        run=run,
        nonce=nonce,
        event_id=event,
        sequence=sequence,
        send_ns=send_ns,
        lower_ns=None if lower == _NULL else lower,
        upper_ns=None if upper == _NULL else upper,
        payload=payload,
    )


def _tag(datagram: bytes, key: bytes) -> bytes:
    return hmac.digest(key, datagram, "sha256")
