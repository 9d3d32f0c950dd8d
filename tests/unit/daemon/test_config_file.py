"""The configuration file: every mistake is one line that says where and the mend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from chronotick.core.errors import ConfigError
from chronotick.daemon.config import Config, Server
from chronotick.daemon.config_file import load_config, parse_config

FULL = """\
servers:
  - ntp.example:1123
  - address: "[2001:db8::1]"
    private: true
polling:
  burst_count: 4
  burst_interval: 2s
  min_poll: 16
  max_poll: 2h
  timeout: 250ms
selection:
  required: 2
  startup_grace: 0
clock:
  max_frequency_error: 100 ppm
  max_drift: 500ppb
publish:
  segment: /run/chronotick
  frequency: 10Hz
  max_bound: 20ms
process:
  cpu_affinity: [0, 1]
  log_level: debug
"""


def blame(text: str) -> str:
    """Return the one line that `text` is refused with."""
    with pytest.raises(ConfigError) as caught:
        parse_config(text, name="f.yaml")
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_every_key_is_read_into_its_unit() -> None:
    """What people write with a unit arrives as a float in the unit of the name."""
    config = parse_config(FULL)

    assert config.servers == (
        Server("ntp.example:1123"),
        Server("[2001:db8::1]", private=True),
    )
    assert config.polling.min_poll_s == 16.0
    assert config.polling.max_poll_s == 7200.0
    assert config.polling.timeout_s == 0.25
    assert config.selection.startup_grace_s == 0.0
    assert config.clock.max_frequency_error_ppm == 100.0
    assert config.clock.max_drift_ppm == 0.5
    assert config.publish.segment == "/run/chronotick"
    assert config.publish.frequency_hz == 10.0
    assert config.publish.max_bound_s == 0.02
    assert config.process.cpu_affinity == (0, 1)
    assert config.process.log_level == "debug"


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}", "polling:\n  # all off\n"])
def test_what_is_not_said_keeps_its_default(text: str) -> None:
    """An empty file, or a section whose keys are commented out, is the default."""
    assert parse_config(text) == Config()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "polling:\n  min_pol: 16s",
            "f.yaml:2: polling.min_pol: unknown key, did you mean min_poll?",
        ),
        (
            "Polling:\n  min_poll: 16s",
            "f.yaml:1: Polling: unknown key, did you mean polling?",
        ),
        (
            "min_poll: 16s",
            "f.yaml:1: min_poll: unknown key, did you mean polling.min_poll?",
        ),
        (
            "selection:\n  zebra: 1",
            (
                "f.yaml:2: selection.zebra: unknown key "
                "(known here: required, tolerate_falsetickers, startup_grace)"
            ),
        ),
        (
            "servers: [{adress: ntp.se}]",
            "f.yaml:1: servers[0].adress: unknown key, did you mean address?",
        ),
        ("servers: [{private: true}]", "f.yaml:1: servers[0]: lacks `address`"),
        ("3: x", "f.yaml:1: 3: unknown key"),
    ],
)
def test_unknown_keys_name_the_nearest(text: str, message: str) -> None:
    """A typing error names its place and the key that was probably meant."""
    assert blame(text).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "polling: {min_poll: 1ms}",
            "polling.min_poll: must be a duration from 50ms to 36h; got 1ms",
        ),
        (
            "polling: {min_poll: fast}",
            (
                "polling.min_poll: must be a duration from 50ms to 36h; "
                "'fast' is not a duration"
            ),
        ),
        (
            "polling: {burst_count: 1.5}",
            "polling.burst_count: must be a whole number from 1 to 16; got 1.5",
        ),
        (
            "polling: {timeout: yes}",
            "polling.timeout: must be a duration from 10ms to 1m; got true",
        ),
        (
            "polling: {timeout: .nan}",
            "polling.timeout: must be a duration from 10ms to 1m; got not a number",
        ),
        (
            "publish: {frequency: 2kHz}",
            "publish.frequency: must be a frequency from 1 Hz to 1000 Hz; got 2000 Hz",
        ),
        (
            "publish: {max_bound: }",
            "publish.max_bound: must be a duration from 1ms to 1h; got nothing",
        ),
        (
            "process: {log_level: off}",
            "process.log_level: must be one of debug, error, info, warning; got false",
        ),
        (
            "process: {cpu_affinity: [-1]}",
            (
                "process.cpu_affinity: must be null or a list, each a whole number "
                "from 0 to 4095; got [-1]"
            ),
        ),
        ("polling: [1]", "polling: must be a mapping of keys; got [1]"),
        ("servers: ntp.se", "servers: must be a list of servers; got 'ntp.se'"),
        ("servers: [{address: 5}]", "servers[0].address: must be a text; got 5"),
        ("servers: [5]", "servers[0]: must be HOST, HOST:PORT or a mapping"),
        ("servers: [{address: a, private: 1}]", "servers[0].private: must be true or"),
    ],
)
def test_wrong_values_say_what_is_allowed(text: str, message: str) -> None:
    """Type, range and unit of the key are in the line, with what was found."""
    assert blame(text).startswith(f"f.yaml:1: {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "f.yaml:1:5: YAML: "),
        ("servers:\n- [::1]:123", "f.yaml:2:4: YAML: "),
        ("a: 1\n\x01", "f.yaml:2: YAML: special characters are not allowed"),
        ("? [a]\n: 1", "f.yaml:1:3: YAML: "),
        ("--- 1\n--- 2", "f.yaml:2:1: YAML: "),
        ("a: !!python/name:os.system x", "f.yaml:1:4: YAML: could not determine a"),
        ("- a", "f.yaml: must be a mapping of keys; got ['a']"),
        ("&a [*a]", "f.yaml: must be a mapping of keys; got "),
    ],
)
def test_what_is_not_yaml_says_line_and_column(text: str, message: str) -> None:
    """A syntax error has a place; nothing in a file is ever executed."""
    assert blame(text).startswith(message)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[polling]\nmin_poll = "16s"\n', "1: this is TOML or INI ([polling]), not"),
        ('# ours\n\nservers = ["a"]', '3: this is TOML or INI (servers = ["a"]), not'),
        ("[[servers]]\naddress = 'a'\n", "1: this is TOML or INI ([[servers]]), not"),
        ("; ini\n[polling] # fast\n", "2: this is TOML or INI ([polling] # fast), not"),
        ("preset=full", "1: this is TOML or INI (preset=full), not YAML: write `key: "),
    ],
)
def test_another_form_is_called_by_its_name(text: str, line: str) -> None:
    """Whoever brings TOML is told so, not where YAML first stumbles over it."""
    assert blame(text).startswith(f"f.yaml:{line}")


def test_json_is_yaml() -> None:
    """As it always was."""
    config = parse_config('{"polling": {"min_poll": "32s"}, "servers": ["a.test"]}')

    assert config.polling.min_poll_s == 32.0


def test_aliases_of_aliases_are_read_once() -> None:
    """Nine anchors of nine aliases each would be 387 million places."""
    rows = ["a0: &a0 [x, x]"]
    rows += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10)]

    assert blame("\n".join(rows)).startswith("f.yaml:1: a0: unknown key")


def test_a_key_given_twice_is_refused() -> None:
    """YAML would silently keep the last; the first was written for a reason too."""
    text = "polling:\n  min_poll: 32s\n  min_poll: 16s\n"

    assert blame(text) == "f.yaml:3: polling.min_poll: given twice"


def test_a_key_that_would_break_the_line_is_quoted() -> None:
    """Control characters and line breaks in a key are shown escaped."""
    assert blame('"a\\nb": 1').startswith(r"f.yaml:1: 'a\nb': unknown key")


def test_contradictions_have_their_line_too() -> None:
    """A rule between keys points at the first key that it names."""
    text = "polling:\n  max_poll: 32s\n  min_poll: 64s\n"

    assert blame(text).startswith("f.yaml:3: polling.min_poll: 64s is longer than")


def test_the_file_is_named(tmp_path: Path) -> None:
    """Every line begins with the path, so that it can be found and clicked."""
    path = tmp_path / "chronotick.yaml"
    path.write_text("selection: {required: 9}", encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        load_config(path)

    assert str(caught.value).startswith(f"{path}:1: selection.required: 9 servers")


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    """Missing, a directory, not text: one line each."""
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"servers: \xff")

    for path, why in (
        (tmp_path / "missing.yaml", "cannot read: No such file or directory"),
        (tmp_path, "cannot read: Is a directory"),
        (binary, "not UTF-8 text (byte 9)"),
        (Path("/dev/zero"), "more than 1 MiB: not for us"),
    ):
        with pytest.raises(ConfigError) as caught:
            load_config(path)
        assert str(caught.value) == f"{path}: {why}"


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.dates()
)
known = st.sampled_from(
    ["servers", "polling", "min_poll", "address", "process", "cpu_affinity", "publish"]
)
documents = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(known | st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(documents)
def test_any_document_gives_a_config_or_one_line(document: Any) -> None:
    """Whatever YAML holds, nothing but ConfigError comes out, on a single line."""
    try:
        parse_config(yaml.safe_dump(document))
    except ConfigError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017


@given(st.text(max_size=30))
def test_any_text_gives_a_config_or_one_line(text: str) -> None:
    """The same for text that may not be YAML at all."""
    try:
        parse_config(text)
    except ConfigError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017


def test_a_preset_sets_what_the_file_does_not() -> None:
    """`minimal` has no long-term model, `full` a foundation model; own keys win."""
    minimal = parse_config("preset: minimal")
    assert minimal.short_term.enabled
    assert not minimal.long_term.enabled
    assert parse_config("preset: full").long_term.model_name == "fracast"
    own = parse_config("preset: full\nlong_term:\n  model_name: ttm\n  device: cpu\n")
    assert (own.long_term.model_name, own.long_term.device) == ("ttm", "cpu")
    assert parse_config("preset: default") == parse_config("") == Config()


def test_a_preset_from_the_command_line_wins() -> None:
    """Over the file's, and leaves the rest of the file alone."""
    config = parse_config("preset: full\npolling: {min_poll: 32s}", preset="minimal")
    assert config.preset == "minimal"
    assert not config.long_term.enabled
    assert config.polling.min_poll_s == 32.0


def test_an_unknown_preset_lists_the_known() -> None:
    """One line, with the line number."""
    with pytest.raises(ConfigError, match=r"2: preset: must be one of default, full"):
        parse_config("\npreset: tiny\n", name="f")
