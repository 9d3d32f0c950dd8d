"""Measure: packets, exchanges, sample filter, source selection.

Pure: bytes, instants and random cookies come in as arguments, records and actions go
out as values. Sockets, timers and dice live in `chronotick.daemon`. The public names of
the room's modules are re-exported here.
"""

from __future__ import annotations

from chronotick.ntp.actions import (
    Action,
    ArmTimer,
    Drop,
    DropReason,
    Emit,
    Kiss,
    KissCode,
    Lost,
    Outcome,
    Send,
)
from chronotick.ntp.address import (
    NTP_PORT,
    ServerName,
    is_loopback,
    is_public,
    parse_server,
    reference_id,
)
from chronotick.ntp.exchange import Association
from chronotick.ntp.filter import SampleFilter, Verdict
from chronotick.ntp.onwire import ExchangeLimits, measure, reading_error_ns
from chronotick.ntp.packet import (
    HEADER,
    HEADER_SIZE,
    ExtensionField,
    HeaderField,
    Mode,
    Packet,
    client_request,
    decode,
    encode,
)
from chronotick.ntp.schedule import (
    DOUBTFUL_POLL_S,
    PUBLIC_BURST_COUNT,
    PUBLIC_BURST_FLOOR_S,
    PUBLIC_FLOOR_S,
    PollPolicy,
    PollSchedule,
)
from chronotick.ntp.select import NoAgreement, Selection, select
from chronotick.ntp.timestamp import (
    ERA_FLOOR_UNIX_S,
    NTP_TO_UNIX_S,
    NtpShort,
    NtpTimestamp,
)

__all__ = [
    # timestamp
    "ERA_FLOOR_UNIX_S",
    "NTP_TO_UNIX_S",
    "NtpShort",
    "NtpTimestamp",
    # packet
    "HEADER",
    "HEADER_SIZE",
    "ExtensionField",
    "HeaderField",
    "Mode",
    "Packet",
    "client_request",
    "decode",
    "encode",
    # address
    "NTP_PORT",
    "ServerName",
    "is_loopback",
    "is_public",
    "parse_server",
    "reference_id",
    # actions
    "Action",
    "ArmTimer",
    "DOUBTFUL_POLL_S",
    "Drop",
    "DropReason",
    "Emit",
    "Kiss",
    "KissCode",
    "Lost",
    "Outcome",
    "Send",
    # exchange, onwire
    "Association",
    "ExchangeLimits",
    "measure",
    "reading_error_ns",
    # schedule
    "PUBLIC_BURST_COUNT",
    "PUBLIC_BURST_FLOOR_S",
    "PUBLIC_FLOOR_S",
    "PollPolicy",
    "PollSchedule",
    # filter
    "SampleFilter",
    "Verdict",
    # select
    "NoAgreement",
    "Selection",
    "select",
]
