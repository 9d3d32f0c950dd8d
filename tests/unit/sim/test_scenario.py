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
    """Anything that ends in .yaml is a path."""
    path = tmp_path / "mine.yaml"
    path.write_text(SERVER)

    assert load_scenario(path).server_names() == ("a.test",)


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


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: x\nservers: []", "servers: .*length"),
        ("name: x\nserver: []", "unknown key `server`, did you mean `servers`"),
        (SERVER.replace("base_us", "bas_us"), r"forward: unknown .*mean `base_us`"),
        (SERVER.replace("100", "-1"), r"servers\[0\].path.forward.base_us: .*>= 0"),
        (SERVER.replace("100", "many"), "base_us: Expected `float`"),
        (SERVER + "    serves: {kind: lyin}", r"serves.kind: Invalid value 'lyin'"),
        (SERVER + "    error_us: 51", r"servers\[0\]: is off by up to 51 .*claims 50"),
        (SERVER + "    serves: {kind: denying, code: toolong}", "serves.code"),
        ("name: [", "YAML"),
        ("- 1", "Expected `object`"),
    ],
)
def test_a_mistake_is_explained_in_one_line(text: str, words: str) -> None:
    """With the file's name, the place, and the nearest key."""
    with pytest.raises(ConfigError, match=f"^mine.yaml: .*{words}") as caught:
        parse_scenario(text, name="mine.yaml")
    assert "\n" not in str(caught.value)


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
