"""Annotations can be read at run time: by pydantic, by FastAPI, by documentation."""

from __future__ import annotations

import inspect
import subprocess
import sys
import typing
from typing import TYPE_CHECKING, Any

import pytest

import chronotick
from chronotick.client import aio, monotonic

if TYPE_CHECKING:
    from collections.abc import Iterator

_PUBLIC: dict[str, Any] = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in (chronotick, aio, monotonic)
    for name in module.__all__
}


def _annotated(value: object) -> Iterator[object]:
    """Return `value`, and where it is a class what users call of it."""
    if not inspect.isclass(value):
        if callable(value):
            yield value
        return
    yield value
    for name in dir(value):
        member = inspect.getattr_static(value, name)
        if isinstance(member, property):
            member = member.fget
        elif isinstance(member, classmethod | staticmethod):
            member = member.__func__
        is_ours = name == "__init__" or not name.startswith("_")
        if is_ours and inspect.isfunction(member):
            yield member


def _classes_in(hint: object) -> Iterator[type]:
    """Return our classes that an annotation names."""
    if inspect.isclass(hint) and hint.__module__.startswith("chronotick."):
        yield hint
    for argument in typing.get_args(hint):
        yield from _classes_in(argument)


@pytest.mark.parametrize("name", sorted(_PUBLIC))
def test_what_an_annotation_names_is_there(name: str) -> None:
    """Also in the annotations of what is given back, as deep as that goes."""
    seen: set[object] = set()
    left = [_PUBLIC[name]]
    while left:
        value = left.pop()
        if value in seen:
            continue
        seen.add(value)
        for annotated in _annotated(value):
            for hint in typing.get_type_hints(annotated).values():
                left += _classes_in(hint)


def test_annotations_are_read_without_numpy() -> None:
    """Also that of `Clock.correct`, which takes an array of it."""
    code = (
        "import sys, typing, chronotick\n"
        "print(typing.get_type_hints(chronotick.Clock.correct)['stamps'])\n"
        "print('numpy' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == ["typing.Any", "False"]
