"""Scenario files: the packaged ones are sound, wrong ones are explained in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chronotick.core.errors import ConfigError
from chronotick.sim.scenario import load_scenario, parse_scenario, scenario_names
from chronotick.sim.specs import Exponential, PathSpec

if TYPE_CHECKING:
    from pathlib import Path

NAMED = {
    "asymmetry",
    "congested",
    "diurnal",
    "falseticker",
    "holdover",
    "internet",
    "lan",
    "many-servers",
    "route-change",
    "steps",
}
SERVER = "name: x\nservers:\n  - name: a.test\n    path: {forward: {base_us: 100}}\n"


def test_the_promised_scenarios_are_in_the_package() -> None:
    """Each has a name of its own, a sentence, and servers."""
    assert set(scenario_names()) >= NAMED
    for name in scenario_names():
        scenario = load_scenario(name)
        assert scenario.name == name
        assert scenario.summary.endswith(".")
        assert scenario.server_names()


def test_a_file_is_loaded_by_its_path(tmp_path: Path) -> None:
    """What no scenario of the package is called is a path."""
    path = tmp_path / "mine"
    path.write_text(SERVER)

    assert load_scenario(path).server_names() == ("a.test",)
    with pytest.raises(ConfigError, match=r"mine\.toml: cannot read"):
        load_scenario("mine.toml")


def test_a_way_back_that_is_not_described_is_as_the_way_there() -> None:
    """The default is a symmetric path."""
    scenario = parse_scenario(
        "name: x\nservers:\n  - name: a.test\n    path:\n      forward:\n"
        "        {base_us: 1, jitter: {kind: exponential, mean_us: 2}}\n"
    )
    path = scenario.servers[0].path

    assert isinstance(path, PathSpec)
    assert path.back.jitter == Exponential(mean_us=2.0)


def test_a_port_that_is_not_ntps_is_part_of_the_name() -> None:
    """So that the daemon can be configured with it."""
    scenario = parse_scenario(SERVER + "    port: 11123\n")

    assert scenario.server_names() == ("a.test:11123",)


def test_an_address_of_ipv6_with_a_port_is_in_brackets() -> None:
    """Or the port would be read as a part of the address."""
    scenario = parse_scenario(
        SERVER.replace("a.test", "'2001:db8::1'") + "    port: 11123\n"
    )

    assert scenario.server_names() == ("[2001:db8::1]:11123",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: x\nservers: []", ":2: servers: at least 1 is needed"),
        ("name: x", ": lacks `servers`"),
        (
            "name: x\nserver: []",
            ":2: server: unknown key, did you mean servers?",
        ),
        (
            SERVER.replace("base_us", "bas_us"),
            ":4: servers[0].path.forward.bas_us: unknown key, did you mean base_us?",
        ),
        (
            SERVER + "    base_us: 5",
            (
                ":5: servers[0].base_us: unknown key, "
                "did you mean servers.path.forward.base_us?"
            ),
        ),
        (
            SERVER.replace("100", "-1"),
            (
                ":4: servers[0].path.forward.base_us: "
                "must be a number from 0 to 1000000000; got -1"
            ),
        ),
        (
            SERVER.replace("100", "many"),
            (
                ":4: servers[0].path.forward.base_us: "
                "must be a number from 0 to 1000000000; got 'many'"
            ),
        ),
        (
            SERVER + "    wander_us: 1e3",
            (
                ":5: servers[0].wander_us: must be a number from 0 to 1000000000; "
                "got '1e3', to YAML a text: write 1000"
            ),
        ),
        (
            SERVER + "    error_us: .nan",
            (
                ":5: servers[0].error_us: must be a number from -1000000000 to "
                "1000000000; got not a number"
            ),
        ),
        (
            SERVER + "    port: 0",
            ":5: servers[0].port: must be a whole number from 1 to 65535; got 0",
        ),
        (
            SERVER + "    serves: {kind: lyin}",
            ":5: servers[0].serves.kind: must be one of honest, lying, smearing, wrong",
        ),
        (
            SERVER + "    serves: {offset_s: 1.0}",
            ":5: servers[0].serves: lacks `kind`: one of honest, lying, smearing,",
        ),
        (
            SERVER + "    serves: lying",
            ":5: servers[0].serves: must be a mapping with `kind`; got 'lying'",
        ),
        (
            SERVER + "    serves: {kind: denying, code: toolong}",
            (
                ":5: servers[0].serves.code: must be a text of the form "
                "^[A-Z0-9]{1,4}$; got 'toolong'"
            ),
        ),
        (
            SERVER.replace("base_us: 100", "base_us: 1, shifts: {at_s: 1}"),
            ":4: servers[0].path.forward.shifts: must be a list, each with a `-`; got",
        ),
        (
            SERVER + "    error_us: 51",
            ":3: servers[0]: is off by up to 51 µs but claims 50: raise",
        ),
        (
            SERVER + "polling: {min_poll_s: 64, max_poll_s: 16}",
            ":5: polling.min_poll_s: 64 is longer than polling.max_poll_s (16)",
        ),
        (
            SERVER + "    address: banana",
            ":5: servers[0].address: 'banana' is not numeric",
        ),
        (
            SERVER.replace("a.test", "a.test:99"),
            ":3: servers[0].name: 'a.test:99' is no name: a port goes into `port`",
        ),
        (
            "name: x\nname: y\nservers: []",
            ":2: name: given twice",
        ),
        ("name: [", ":1:8: YAML: "),
        ("- 1", ": must be a mapping of keys; got [1]"),
        ("", ": lacks `name`"),
        (
            'name = "x"\n[[servers]]\nname = "a.test"\n',
            ':1: this is TOML or INI (name = "x"), not YAML: write `key: value`',
        ),
    ],
)
def test_a_mistake_is_explained_in_one_line(text: str, words: str) -> None:
    """With the file's name, the line, the place, what is allowed and what was found."""
    with pytest.raises(ConfigError) as caught:
        parse_scenario(text, name="mine.yaml")
    message = str(caught.value)
    assert message.startswith(f"mine.yaml{words}")
    assert "\n" not in message


def test_an_unknown_name_names_the_nearest() -> None:
    """A typo is answered with what was probably meant."""
    with pytest.raises(ConfigError, match="did you mean falseticker"):
        load_scenario("falsetiker")
    with pytest.raises(ConfigError, match="known: asymmetry"):
        load_scenario("zzz")


def test_a_file_that_cannot_be_read_is_an_error_of_ours(tmp_path: Path) -> None:
    """Missing files and other encodings give a `ConfigError`, not a traceback."""
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"name: \xe4")

    with pytest.raises(ConfigError, match="cannot read"):
        load_scenario(tmp_path / "missing.yaml")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_scenario(latin)
