"""`chronotick eval run`: one run on many nodes, from starting workers to the report.

Decides how nodes are named on the command line. Running is `chronotick.eval.streaming.run`'s.
"""

from __future__ import annotations

import json
import shlex
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chronotick.cli.edge import Verb, complain
from chronotick.cli.eval_addresses import anywhere, reachable
from chronotick.cli.exit_codes import ExitCode
from chronotick.cli.interrupts import heed_all
from chronotick.cli.options import (
    Scheduler,
    course_options,
    json_option,
    segment_option,
)
from chronotick.core.records import Endpoint

if TYPE_CHECKING:
    from chronotick.eval.cluster import Cluster
    from chronotick.eval.streaming.launchers import Launcher
    from chronotick.eval.streaming.run import RunSettings

__all__ = ["connected", "run"]

_LOOPBACK = "127.0.0.1"


@click.command("run", cls=Verb)
@click.option(
    "--nodes",
    metavar="NODE,…",
    default="",
    help="Local: names. SSH: [USER@]HOST, or [USER@]HOST=ADDRESS where events are to "
    "go to another address than that of HOST. Dask: names or addresses of its workers, "
    "or hosts; default: one worker of each host.",
)
@click.option(
    "--launcher", "how", type=click.Choice(["local", "ssh", "dask"]), default="local"
)
@click.option(
    "--scheduler",
    metavar="tcp://HOST:PORT",
    type=Scheduler(),
    help="Dask: the scheduler of a cluster that runs already.",
)
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
@course_options
@click.option(
    "--ntp-server",
    "ntp_servers",
    metavar="HOST[:PORT][,…]",
    default="",
    help="Servers for plain NTP, on all nodes.",
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

    A daemon must be running on each node and here. Datagrams carry tags by a key that
    is made for the run. Ends with 1 if a node failed, which is then named, or if a claim
    is broken; the others' data are kept and judged.
    """
    try:
        from chronotick.eval.streaming.run import run_nodes  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"the evaluation needs {error.name}: pip install 'chronotick[eval]'"
        ) from error
    if options["num_events"] is None and options["target_s"] is None:
        raise click.UsageError("say when to end: --num-events or --target-duration")
    heed_all()  # However it is told to end, it ends the workers.
    with ExitStack() as stack:
        launcher, found = _launcher(how, nodes, output / "logs", options, stack)
        settings = _settings(how, found, output, options)
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


def _settings(
    how: str, nodes: dict[str, Endpoint], output: Path, options: dict[str, Any]
) -> RunSettings:
    from chronotick.eval.streaming.node import NodeSettings  # noqa: PLC0415
    from chronotick.eval.streaming.run import (  # noqa: PLC0415
        RunSettings,
        fresh_folder,
        fresh_name,
    )

    servers = options["ntp_servers"].split(",")
    is_local = how == "local"
    return RunSettings(
        nodes=nodes,
        node=NodeSettings(
            segment=options["segment"],
            ntp_servers=tuple(s.strip() for s in servers if s.strip()),
        ),
        output=output,
        remote_folder=(
            str(output.resolve() / "nodes" / fresh_name())
            if is_local
            else fresh_folder()
        ),
        pattern=options["pattern"],
        num_events=options["num_events"],
        target_duration_s=options["target_s"],
        seed=options["seed"],
        preflight_s=options["preflight_s"],
        listen=_LOOPBACK if is_local else anywhere(nodes.values()),
    )


def connected(scheduler: str | None, stack: ExitStack) -> Cluster:
    """Return the cluster behind `scheduler`, connected for as long as `stack` is open.

    Raises:
        UsageError: there is no scheduler, or what this needs is not installed.
        Unreachable: nothing answers there.
    """
    if not scheduler:
        raise click.UsageError("name the cluster: --scheduler tcp://HOST:PORT")
    try:
        from chronotick.eval.cluster import Cluster  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"a Dask cluster needs {error.name}: pip install 'chronotick[dask]'"
        ) from error
    return stack.enter_context(Cluster(scheduler))


def _launcher(
    how: str, nodes: str, logs: Path, options: dict[str, Any], stack: ExitStack
) -> tuple[Launcher, dict[str, Endpoint]]:
    """Return how nodes are reached, and where each one's worker will listen."""
    from chronotick.eval.streaming.launchers import LocalLauncher, SshLauncher  # noqa: PLC0415

    port = options["base_port"]
    if how == "dask":
        return _on_dask(nodes, port, connected(options["scheduler"], stack))
    if options["scheduler"]:
        raise click.UsageError("--scheduler is for --launcher dask")
    names = _names(nodes)
    if not names:
        raise click.UsageError("name the nodes: --nodes NODE,…")
    if how == "local":
        ports = {name: Endpoint(_LOOPBACK, port + k) for k, name in enumerate(names)}
        return LocalLauncher(logs), ports
    launcher = SshLauncher(
        logs,
        remote=shlex.split(options["remote_command"]),
        options=shlex.split(options["ssh_options"]),
    )
    hosts = {
        name: (address or name.rpartition("@")[2], port)
        for name, address in names.items()
    }
    return launcher, reachable(hosts)


def _on_dask(
    nodes: str, base_port: int, cluster: Cluster
) -> tuple[Launcher, dict[str, Endpoint]]:
    from chronotick.eval.streaming.launch_dask import DaskLauncher, dask_nodes  # noqa: PLC0415

    chosen = dask_nodes(cluster, list(_names(nodes)))
    taken: Counter[str] = Counter()
    hosts: dict[str, tuple[str, int]] = {}
    for node in chosen:
        # Two nodes of one host, where somebody asked for that, need two ports.
        hosts[node.name] = (node.host, base_port + taken[node.host])
        taken[node.host] += 1
    return DaskLauncher(cluster, chosen), reachable(hosts)


def _names(nodes: str) -> dict[str, str]:
    """Return each node's name, and what stands after its ``=``."""
    found: dict[str, str] = {}
    for word in nodes.split(",") if nodes.strip() else ():
        name, _, address = word.strip().partition("=")
        if not name or name in found:
            raise click.UsageError(f"--nodes: {word!r} is empty or named twice")
        found[name] = address
    return found
