"""The room's front door shows exactly what its modules promise."""

from __future__ import annotations

import importlib
import pkgutil

from chronotick import ntp


def test_room_exports_the_union_of_its_modules() -> None:
    """Every public name of every module is re-exported once, and nothing else."""
    promised: list[str] = []
    for module in pkgutil.iter_modules(ntp.__path__):
        promised += importlib.import_module(f"chronotick.ntp.{module.name}").__all__

    assert sorted(promised) == sorted(ntp.__all__)
    assert len(set(promised)) == len(promised)
    assert all(hasattr(ntp, name) for name in promised)
