"""`chronotick eval worker` and `coordinator`: one node of a run each.

Decides how a node is asked for. Its work is in `chronotick.eval.streaming.worker` and
`chronotick.eval.streaming.coordinator`, which need no more than the base installation.
"""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from chronotick.cli.edge import Verb, complain
from chronotick.cli.eval_addresses import reachable
from chronotick.cli.exit_codes import ExitCode
from chronotick.cli.options import (
    Duration,
    NumericAddress,
    course_options,
    segment_option,
    together,
)
from chronotick.cli.tokens import read_token

if TYPE_CHECKING:
    from chronotick.core.records import Endpoint
    from chronotick.eval.streaming.coordinator import CoordinatorSettings
    from chronotick.eval.streaming.node import NodeSettings

__all__ = ["coordinator", "worker"]

_WORKER_PORT = 9000
_PORT = click.IntRange(1, 65535)
_node_options = together(
    click.option(
        "--ntp-server",
        "ntp_servers",
        metavar="HOST[:PORT][,…]",
        default="",
        help="Servers for plain NTP. Default: none, and its columns stay empty.",
    ),
    segment_option,
    click.option(
        "--chronotick-server",
        "server_url",
        metavar="URL",
        help="Read ChronoTick from `chronotick mcp --transport http` there, instead of "
        "from a segment here. The round trip widens every interval.",
    ),
    click.option(
        "--token-file",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="File with that server's bearer token; or the variable CHRONOTICK_TOKEN.",
    ),
    click.option(
        "--key-file",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="File with the shared key: its bytes, without white space at the ends. "
        "Datagrams without the right tag are dropped and counted.",
    ),
    click.option(
        "--output",
        metavar="FILE",
        required=True,
        type=click.Path(path_type=Path, dir_okay=False),
        help="The CSV file to write. One that holds a recording is refused.",
    ),
    click.option(
        "--listen",
        "listen_address",
        metavar="ADDRESS",
        type=NumericAddress(),
        default="0.0.0.0",  # noqa: S104 - a node is asked from other hosts
        show_default=True,
        help="Numeric address to listen on; `::` for nodes that have IPv6 only.",
    ),
)


@click.command("worker", cls=Verb)
@click.option("--node-id", required=True, help="Name of this worker.")
@click.option("--listen-port", default=_WORKER_PORT, show_default=True, type=_PORT)
@click.option(
    "--accept-early", is_flag=True, help="Stamp events even before the warm-up is over."
)
@click.option(
    "--deadline",
    "deadline_s",
    metavar="DURATION",
    type=Duration(1.0),
    default=3600.0,
    help="End, with an error, if the run is not over after this long. Default: 1h.",
)
@_node_options
def worker(
    node_id: str,
    listen_port: int,
    accept_early: bool,
    deadline_s: float,
    **common: Any,  # noqa: ANN401 - click's own
) -> int:
    """Stamp the events that a coordinator sends, and record them.

    Serves one run and ends with it. A daemon must be running on this host.
    """
    import anyio  # noqa: PLC0415

    from chronotick.core.records import Endpoint  # noqa: PLC0415
    from chronotick.eval.streaming.hosts import RealHost  # noqa: PLC0415
    from chronotick.eval.streaming.worker import WorkerSettings, run_worker  # noqa: PLC0415

    settings = WorkerSettings(
        node_id=node_id,
        listen=Endpoint(common["listen_address"], listen_port),
        node=_node(common),
        output=common["output"],
        key=_key(common["key_file"]),
        accept_early=accept_early,
        deadline_s=deadline_s,
    )
    counts = anyio.run(run_worker, settings, RealHost(), _line)
    click.echo(json.dumps(dict(sorted(counts.items()))))
    return ExitCode.OK


@click.command("coordinator", cls=Verb)
@click.option(
    "--workers",
    metavar="[NAME=]HOST:PORT,…",
    required=True,
    help="The workers. Default for a name: HOST:PORT.",
)
@course_options
@_node_options
def coordinator(
    workers: str,
    num_events: int | None,
    target_s: float | None,
    pattern: str,
    preflight_s: float,
    seed: int,
    **common: Any,  # noqa: ANN401 - click's own
) -> int:
    """Send events to workers and record them.

    First every worker must say that its clocks are ready. Ends with 1 if one was not,
    or fell silent; what was recorded is kept.
    """
    import anyio  # noqa: PLC0415

    from chronotick.core.records import Endpoint  # noqa: PLC0415
    from chronotick.eval.streaming.coordinator import (  # noqa: PLC0415
        CoordinatorSettings as Settings,
    )
    from chronotick.eval.streaming.coordinator import (  # noqa: PLC0415
        run_coordinator,
    )
    from chronotick.eval.streaming.hosts import RealHost  # noqa: PLC0415

    if num_events is None and target_s is None:
        raise click.UsageError("say when to end: --num-events or --target-duration")
    settings = Settings(
        workers=_workers(workers, common["listen_address"]),
        node=_node(common),
        output=common["output"],
        listen=Endpoint(common["listen_address"], 0),
        pattern=pattern,
        num_events=num_events,
        target_duration_s=target_s,
        key=_key(common["key_file"]),
        preflight_s=preflight_s,
        seed=seed,
    )
    outcome = anyio.run(run_coordinator, settings, RealHost(), _line)
    for failure in outcome.failures:
        complain(failure)
    counts = dict(sorted(outcome.counts.items()))
    _write_about(settings, outcome.events)
    told = {"run_id": outcome.run_id, "events": outcome.events, "seed": seed}
    click.echo(json.dumps({**told, "datagrams": counts}))
    return ExitCode.FAILURE if outcome.failures else ExitCode.OK


def _write_about(settings: CoordinatorSettings, events: int) -> None:
    """Leave beside the recording what the report is to say of the run."""
    from chronotick.eval.streaming.about import write_about  # noqa: PLC0415

    hosts = ", ".join(f"{name} ({at})" for name, at in settings.workers.items())
    about = {
        "kind": "real nodes: the true time is unknown",
        "seed": str(settings.seed),
        "events": str(events),
        "hosts": hosts,
        "pattern": settings.pattern,
        "coordinator": f"{platform.node()}, {platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }
    write_about(settings.output.parent, about)


def _line(text: str) -> None:
    click.echo(text, err=True)


def _node(common: dict[str, Any]) -> NodeSettings:
    from chronotick.eval.streaming.node import NodeSettings  # noqa: PLC0415

    url, ctx = common["server_url"], click.get_current_context()
    is_given = ctx.get_parameter_source("segment") is ParameterSource.COMMANDLINE
    if url is not None and is_given:
        raise click.UsageError("--segment or --chronotick-server, not both")
    servers = tuple(s.strip() for s in common["ntp_servers"].split(",") if s.strip())
    return NodeSettings(
        segment=common["segment"],
        ntp_servers=servers,
        server_url=url,
        server_token=None if url is None else _token(common["token_file"]),
    )


def _token(path: Path | None) -> str | None:
    """Return the token: never from the command line, which every user can list."""
    if path is None:
        return os.environ.get("CHRONOTICK_TOKEN") or None
    return read_token(path)


def _key(path: Path | None) -> bytes | None:
    if path is None:
        return None
    key = path.read_bytes().strip()
    if not key:
        raise click.UsageError(f"{path} holds no key")
    return key


def _workers(text: str, listen: str) -> dict[str, Endpoint]:
    """Return the workers' endpoints, which can be sent to from `listen`, by name."""
    from chronotick.ntp import parse_server  # noqa: PLC0415

    hosts: dict[str, tuple[str, int]] = {}
    for word in text.split(","):
        given, _, where = word.strip().rpartition("=")
        name = given or where
        if name in hosts:
            raise click.UsageError(f"--workers: {word.strip()} is there twice")
        hosts[name] = parse_server(where, _WORKER_PORT)
    found = reachable(hosts, listen)
    taken: set[Endpoint] = set()
    for name, endpoint in found.items():
        if endpoint in taken:
            raise click.UsageError(f"--workers: {name} at {endpoint} is there twice")
        taken.add(endpoint)
    return found
