"""`chronotick eval run`: one run on many nodes, from starting workers to the report.

Decides how nodes are named on the command line. Running is `chronotick.eval.run`'s.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chronotick.cli.edge import Verb, complain
from chronotick.cli.exit_codes import ExitCode
from chronotick.cli.options import Duration, json_option, segment_option

if TYPE_CHECKING:
    from chronotick.core.records import Endpoint
    from chronotick.eval.launchers import Launcher

__all__ = ["run"]

_LOOPBACK = "127.0.0.1"


@click.command("run", cls=Verb)
@click.option(
    "--nodes",
    metavar="NODE,…",
    required=True,
    help="Local: names. SSH: [USER@]HOST, or [USER@]HOST=ADDRESS where events are to "
    "go to another address than that of HOST.",
)
@click.option("--launcher", "how", type=click.Choice(["local", "ssh"]), default="local")
@click.option(
    "--base-port",
    type=click.IntRange(1, 65_000),
    default=9000,
    show_default=True,
    help="UDP port of the first worker. Local: one more for each; SSH: the same for all.",
)
@click.option("--ssh-options", default="", metavar="WORDS", help="More options of ssh.")
@click.option(
    "--remote-command",
    default="chronotick eval",
    show_default=True,
    metavar="WORDS",
    help="How the evaluation is called on the nodes.",
)
@click.option("--num-events", type=click.IntRange(1, 100_000_000))
@click.option(
    "--target-duration", "target_s", metavar="DURATION", type=Duration(0.001),
    help="Send for so long, instead of --num-events or at most.",
)  # fmt: skip
@click.option("--pattern", default="mixed", show_default=True)
@click.option(
    "--ntp-server",
    "ntp_servers",
    metavar="HOST[:PORT][,…]",
    default="",
    help="Servers for plain NTP, on all nodes.",
)
@click.option(
    "--preflight",
    "preflight_s",
    metavar="DURATION",
    type=Duration(0.1),
    default=120.0,
    help="How long all may take to be ready. Default: 2m.",
)
@click.option(
    "--output",
    metavar="DIR",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Where files and report go.",
)
@segment_option
@json_option
def run(
    nodes: str,
    how: str,
    as_json: bool,
    output: Path,
    **options: Any,  # noqa: ANN401
) -> int:
    """Run on many nodes: start workers, send events, gather, judge.

    A daemon must be running on each node and here. Ends with 1 if a node failed, which
    is then named, or if a claim is broken; the others' data are kept and judged.
    """
    try:
        from chronotick.eval.run import (  # noqa: PLC0415
            RunSettings,
            fresh_folder,
            run_nodes,
        )
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"the evaluation needs {error.name}: pip install 'chronotick[eval]'"
        ) from error
    from chronotick.eval.node import NodeSettings  # noqa: PLC0415

    if options["num_events"] is None and options["target_s"] is None:
        raise click.UsageError("say when to end: --num-events or --target-duration")
    is_local = how == "local"
    servers = options["ntp_servers"].split(",")
    settings = RunSettings(
        nodes=_endpoints(nodes, options["base_port"], is_local=is_local),
        node=NodeSettings(
            segment=options["segment"],
            ntp_servers=tuple(s.strip() for s in servers if s.strip()),
        ),
        output=output,
        remote_folder=str(output / "nodes") if is_local else fresh_folder(),
        pattern=options["pattern"],
        num_events=options["num_events"],
        target_duration_s=options["target_s"],
        preflight_s=options["preflight_s"],
        listen=_LOOPBACK if is_local else "0.0.0.0",  # noqa: S104 - asked from elsewhere
    )
    launcher = _launcher(how, output / "logs", options)
    result = run_nodes(settings, launcher, lambda line: click.echo(line, err=True))
    for failure in result.failures:
        complain(failure)
    statistics = result.analysis.statistics
    if as_json:
        click.echo(json.dumps(statistics))
    else:
        click.echo(f"claims: {statistics['verdict']}\nreport: {result.analysis.page}")
    is_bad = result.failures or statistics["verdict"] == "broken"
    return ExitCode.FAILURE if is_bad else ExitCode.OK


def _launcher(how: str, logs: Path, options: dict[str, Any]) -> Launcher:
    from chronotick.eval.launchers import LocalLauncher, SshLauncher  # noqa: PLC0415

    if how == "local":
        return LocalLauncher(logs)
    return SshLauncher(
        logs,
        remote=shlex.split(options["remote_command"]),
        options=shlex.split(options["ssh_options"]),
    )


def _endpoints(nodes: str, base_port: int, *, is_local: bool) -> dict[str, Endpoint]:
    """Return where each node's worker is reached."""
    import anyio  # noqa: PLC0415

    from chronotick.core.records import Endpoint  # noqa: PLC0415
    from chronotick.daemon.clocks import HostClock  # noqa: PLC0415
    from chronotick.daemon.udp import UdpTransport  # noqa: PLC0415

    found: dict[str, Endpoint] = {}
    for k, word in enumerate(nodes.split(",")):
        name, _, address = word.strip().partition("=")
        if not name or name in found:
            raise click.UsageError(f"--nodes: {word!r} is empty or named twice")
        if is_local:
            found[name] = Endpoint(_LOOPBACK, base_port + k)
            continue
        host = address or name.rpartition("@")[2]
        transport = UdpTransport(HostClock())
        try:
            found[name] = anyio.run(transport.resolve, host, base_port)[0]
        except OSError as error:
            raise click.ClickException(f"node {name}: cannot resolve {host}") from error
    return found
