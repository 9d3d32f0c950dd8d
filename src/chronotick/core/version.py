"""Which version of ChronoTick this is; decides nothing."""

from __future__ import annotations

from chronotick.core.errors import NotInstalled

__all__ = ["installed_version"]


def installed_version() -> str:
    """Return what the installation says.

    Raises:
        NotInstalled: there is none: this runs from a source tree.
    """
    from importlib import metadata  # noqa: PLC0415 - slow to find out

    try:
        return metadata.version("chronotick")
    except metadata.PackageNotFoundError:
        raise NotInstalled from None
