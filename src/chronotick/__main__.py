"""Make `python -m chronotick` the same as `chronotick`."""

from __future__ import annotations

from chronotick.cli import main

__all__: list[str] = []

if __name__ == "__main__":  # A spawned child imports this module by another name.
    main()
