"""`backends.registry` and `backends.weights`: names, and what is missing."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from chronotick.backends import registry
from chronotick.backends.registry import LOADERS, BackendUnavailable, Choice, load
from chronotick.backends.weights import Place, pick_device, place


def test_an_unknown_name_lists_the_known_ones() -> None:
    """A typo is told what there is."""
    with pytest.raises(BackendUnavailable, match="'fracats'; there are: fracast, chr"):
        load("fracats", Choice())


@pytest.mark.parametrize("name", list(LOADERS))
def test_each_name_has_a_module_with_a_loader(name: str) -> None:
    """The table names files that exist and define `load`."""
    parts = LOADERS[name].module.split(".")
    source = Path(registry.__file__).parent.parent.joinpath(*parts[1:])
    assert "\ndef load(choice: Choice)" in source.with_suffix(".py").read_text()


@pytest.mark.parametrize("name", list(LOADERS))
def test_a_library_that_is_not_installed_says_what_to_do(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the missing module and the mend."""
    monkeypatch.delitem(sys.modules, LOADERS[name].module, raising=False)
    for library in ("fracast", "chronos", "timesfm", "tsfm_public", "torch"):
        monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(BackendUnavailable, match="pip install") as caught:
        load(name, Choice())
    assert LOADERS[name].needs in str(caught.value)


@pytest.mark.parametrize(
    "error", [OSError("gone"), ValueError("odd"), RuntimeError("x")]
)
def test_weights_that_cannot_be_had_are_named(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a library raises over a checkpoint is told, with whose it was."""

    def refuse(choice: Choice) -> None:
        raise error

    fake = ModuleType("chronotick.backends.fracast")
    vars(fake)["load"] = refuse
    monkeypatch.setitem(sys.modules, fake.__name__, fake)
    with pytest.raises(BackendUnavailable, match=f"weights of fracast: {error}"):
        load("fracast", Choice())


def test_a_directory_is_used_as_it_is(tmp_path: Path) -> None:
    """Even one whose name looks like a revision."""
    odd = tmp_path / "a@b"
    odd.mkdir()
    assert place(str(odd), "owner/name") == Place(str(odd), None)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        (None, Place("owner/usual", None)),
        ("other/one", Place("other/one", None)),
        ("other/one@abc123", Place("other/one", "abc123")),
    ],
)
def test_anything_else_is_a_repository(weights: str | None, expected: Place) -> None:
    """At a revision if one is written."""
    assert place(weights, "owner/usual") == expected


@pytest.mark.parametrize("weights", ["/no/such/place", "./nowhere", "~nobody/there"])
def test_a_path_that_is_not_there_is_never_looked_for_elsewhere(weights: str) -> None:
    """A mistyped path must not become a download."""
    with pytest.raises(ValueError, match="no directory"):
        place(weights, "owner/usual")


@pytest.mark.parametrize(
    ("device", "there", "expected"),
    [
        ("auto", True, "cuda"),
        ("auto", False, "cpu"),
        ("cpu", True, "cpu"),
        ("cuda", True, "cuda"),
    ],
)
def test_auto_takes_a_gpu_where_there_is_one(
    device: str, there: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And `cpu` never does."""
    monkeypatch.setitem(sys.modules, "torch", _torch(there=there))
    assert pick_device(device) == expected


@pytest.mark.parametrize("device", ["cuda", "gpu", ""])
def test_a_device_that_is_not_there_is_an_error(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No silent fallback to the CPU."""
    monkeypatch.setitem(sys.modules, "torch", _torch(there=False))
    with pytest.raises(ValueError, match="device"):
        pick_device(device)


def _torch(*, there: bool) -> ModuleType:
    torch = ModuleType("torch")
    cuda = ModuleType("cuda")
    vars(cuda)["is_available"] = lambda: there
    vars(torch)["cuda"] = cuda
    return torch
