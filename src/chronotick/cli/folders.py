"""Folders for results: made before the work, which may take hours, and written after."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["make_folder", "writing_to"]


def make_folder(folder: Path) -> None:
    """Make `folder`, and see that a file can be written there.

    Raises:
        ClickException: the operating system refuses.
    """
    with writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
        # Modes alone don't tell: there are read-only mounts, quotas and root.
        with tempfile.TemporaryFile(dir=folder):
            pass


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Say which folder it was that could not be written to.

    Raises:
        ClickException: the operating system refused something in the block.
    """
    try:
        yield
    except OSError as error:
        why = error.strerror or error
        raise click.ClickException(
            f"cannot write to {folder}: {why}; choose another folder with --out"
        ) from error
