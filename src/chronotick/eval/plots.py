"""The project's only door to matplotlib: an empty figure, plain axes, the same bytes.

Decides how figures look that all reports share. PNG bytes are the same for the same
figure: no date, no version, no random identifiers.
"""

from __future__ import annotations

import io
import logging
import warnings
from typing import TYPE_CHECKING

# Before its import, which would tell people where it keeps its fonts if not at home.
logging.getLogger("matplotlib").setLevel(logging.ERROR)

from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["blank", "plain", "to_png"]

_DPI = 110


def to_png(figure: Figure) -> bytes:
    """Return the same bytes for the same figure."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        # A node's name may be in any script; what the font lacks is drawn as a box.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def blank(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches."""
    return Figure(figsize=(width, height), dpi=_DPI, layout="constrained")


def plain(axes: Axes) -> None:
    """Leave only what helps reading: two axes and a pale grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", linewidth=0.4, alpha=0.6)
    axes.set_axisbelow(True)
