"""Pictures drawn with matplotlib, the same bytes for the same figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from yolo_edge.errors import MissingComponentError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURE_SUFFIXES = (".png", ".svg")


def require_matplotlib() -> None:
    """Check that pictures can be drawn.

    Raises:
        MissingComponentError: matplotlib is not installed.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise MissingComponentError(
            "The picture needs matplotlib, which is not installed.", fix="pip install 'yolo-edge[validation]'"
        ) from error


def save_figure(draw: Callable[[], Figure], pictures: Iterable[Path]) -> None:
    """Draw a figure and write it, with no style of the user's, no date and no version in it.

    Args:
        draw: makes the figure.
        pictures: files to write, of :data:`PICTURE_SUFFIXES`.

    Raises:
        MissingComponentError: matplotlib is not installed.
    """
    require_matplotlib()
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update({"svg.hashsalt": "yolo-edge", "font.size": 10, "axes.axisbelow": True})
        figure = draw()
        for picture in pictures:
            metadata = {".png": {"Software": None}, ".svg": {"Date": None, "Creator": None}}[picture.suffix]
            figure.savefig(picture, metadata=metadata)
