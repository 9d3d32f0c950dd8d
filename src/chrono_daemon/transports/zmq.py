"""A channel over ZeroMQ, between two processes or two machines. asyncio only.

It decides framing, closing and what an error of the socket means; encoding is the
serde's business. One PAIR socket an endpoint, one frame a message:

====  =======================  ====================
tag   meaning                  direction
====  =======================  ====================
`D`   data, payload follows    sender to receiver
`E`   end of stream            sender to receiver
`C`   closed, or end received  receiver to sender
====  =======================  ====================

Needs the extra `zmq` (pyzmq and msgspec). A peer that crashes says nothing: give
`peer_timeout_ms` to notice it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from chrono_daemon.channel import Channel

try:
    import msgspec

    from chrono_daemon.transports._endpoints import Serde, ZmqReceiver, ZmqSender
    from chrono_daemon.transports._wire import SocketMaker, Wire
except ImportError as _missing:
    raise ImportError(
        "chrono_daemon.transports.zmq needs the extra `zmq`: "
        "pip install 'chronotick[zmq]'"
    ) from _missing

if TYPE_CHECKING:
    from chrono_daemon.channel import ReceiveStream, SendStream

__all__ = [
    "MsgpackSerde",
    "Serde",
    "ZmqConfig",
    "open_zmq_channel",
    "open_zmq_receive",
    "open_zmq_send",
]

T = TypeVar("T")


class MsgpackSerde(Generic[T]):
    """MessagePack by msgspec; decoding validates.

    Args:
        message_type: what decoded items must be; anything by default.
    """

    def __init__(self, message_type: object = Any) -> None:
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(cast("type[T]", message_type))

    def encode(self, item: T) -> bytes:
        """Return the MessagePack bytes of `item`."""
        return self._encoder.encode(item)

    def decode(self, data: bytes) -> T:
        """Return the item of `data`.

        Raises:
            msgspec.ValidationError: it isn't of the message type.
            msgspec.DecodeError: it isn't MessagePack.
        """
        return self._decoder.decode(data)


@dataclass(frozen=True)
class ZmqConfig:
    """The limits of one endpoint.

    Raises:
        ValueError: `maxsize` is negative or `linger_ms` below -1.
    """

    maxsize: int = 0
    """Messages accepted without a receiver, at least; ZeroMQ buffers on both sides."""
    linger_ms: int = 1000
    """Milliseconds that a closed socket goes on delivering; -1 for ever.

    A program whose peer is behind ends that much later.
    """

    def __post_init__(self) -> None:
        if self.maxsize < 0:
            raise ValueError(f"maxsize must not be negative, not {self.maxsize!r}")
        if self.linger_ms < -1:
            raise ValueError(f"linger_ms must be -1 or more, not {self.linger_ms!r}")

    @property
    def hwm(self) -> int:
        """The high-water mark: a slot more for the close frame; 0 means no limit."""
        return max(2, self.maxsize + 1)


def open_zmq_send(  # noqa: PLR0913  (all but one are keyword-only)
    address: str,
    *,
    bind: bool = False,
    maxsize: int = 0,
    serde: Serde[T] | None = None,
    context: SocketMaker | None = None,
    linger_ms: int = 1000,
    peer_timeout_ms: int | None = None,
) -> SendStream[T]:
    """Open the send end of a channel, inside a running asyncio loop.

    Args:
        address: a ZeroMQ address, such as `tcp://127.0.0.1:5555`.
        bind: listen at `address`, rather than connect to it.
        maxsize: see `ZmqConfig`.
        serde: how items are encoded; `MsgpackSerde()` by default.
        context: `zmq.asyncio.Context.instance()` by default.
        linger_ms: see `ZmqConfig`.
        peer_timeout_ms: treat the channel as closed when the peer's connection breaks,
            or is silent for so long. None: a peer may come back at any time. ZeroMQ's
            heartbeats wait their turn behind data, so a peer that is slower than this
            counts as silent; give it to both ends, for the other one isn't told.

    Raises:
        ValueError: a limit is out of range; no socket was made.
        zmq.ZMQError: the address can't be used.
    """
    config = ZmqConfig(maxsize, linger_ms)
    wire = Wire(address, bind, config.hwm, linger_ms, context, peer_timeout_ms)
    return ZmqSender(wire, maxsize, MsgpackSerde() if serde is None else serde)


def open_zmq_receive(  # noqa: PLR0913  (all but one are keyword-only)
    address: str,
    *,
    bind: bool = True,
    maxsize: int = 0,
    serde: Serde[T] | None = None,
    context: SocketMaker | None = None,
    linger_ms: int = 1000,
    peer_timeout_ms: int | None = None,
) -> ReceiveStream[T]:
    """Open the receive end of a channel; see `open_zmq_send`.

    Raises:
        ValueError: a limit is out of range; no socket was made.
        zmq.ZMQError: the address can't be used.
    """
    config = ZmqConfig(maxsize, linger_ms)
    wire = Wire(address, bind, config.hwm, linger_ms, context, peer_timeout_ms)
    return ZmqReceiver(wire, maxsize, MsgpackSerde() if serde is None else serde)


def open_zmq_channel(
    address: str,
    *,
    bind_receive: bool = True,
    maxsize: int = 0,
    serde: Serde[T] | None = None,
    context: SocketMaker | None = None,
    linger_ms: int = 1000,
) -> Channel[T]:
    """Open both ends of a channel, the receive end first; see `open_zmq_send`.

    Raises:
        ValueError: a limit is out of range; no socket was made.
        zmq.ZMQError: the address can't be used.
    """
    config = ZmqConfig(maxsize, linger_ms)
    serde = MsgpackSerde() if serde is None else serde
    hwm = config.hwm
    into = Wire(address, bind_receive, hwm, linger_ms, context, None)
    try:
        out = Wire(address, not bind_receive, hwm, linger_ms, context, None)
    except BaseException:
        into.close()
        raise
    return Channel(ZmqSender(out, maxsize, serde), ZmqReceiver(into, maxsize, serde))
