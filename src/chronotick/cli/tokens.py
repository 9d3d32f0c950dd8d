"""A bearer token from a file.

Decides what such a file must be. What is wrong with it is said before anything starts;
the token itself is never shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chronotick.core.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_token"]


def read_token(path: Path) -> str:
    """Return the token that the file at `path` holds, without white space at the ends.

    Raises:
        ConfigError: the file cannot be read, is no UTF-8 text, or is empty.
    """
    try:
        token = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(
            f"cannot read the token in {path}: {error.strerror or error}"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} is no text in UTF-8: put the bearer token into it"
        ) from error
    if not token:
        raise ConfigError(f"{path} is empty: put the bearer token into it")
    return token
