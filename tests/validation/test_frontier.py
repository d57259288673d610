"""Size against quality, as rows and as a picture."""

import csv
import io
import re
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from matplotlib.transforms import Bbox
from PIL import Image

from tests.validation.persons import make_agreement
from yolo_edge import figures
from yolo_edge.speed.frames import FrameTime
from yolo_edge.validation.coco import PrecisionLoss
from yolo_edge.validation.frontier import FrontierPoint, draw_frontier, frontier_csv


def point(scheme, wire, similarity, loss=None):
    agreement = make_agreement(similarity, persons=100, lost=3)
    interval = None if loss is None else PrecisionLoss(loss, loss - 1, loss + 1)
    return FrontierPoint(f"{scheme}:{wire}", scheme, wire, 3_000_000, wire, agreement, interval)


PLAIN = [point("float16", 5_350_000, 0.999), point("rd", 1_400_000, 0.98), point("rd", 1_200_000, 0.95)]
LABELLED = [point("int8", 1_900_000, 0.99, 0.2), point("rd", 1_400_000, 0.98, 0.5), point("rd", 1_200_000, 0.95, 1.1)]


def test_table_holds_every_figure():
    rows = list(csv.DictReader(io.StringIO(frontier_csv(LABELLED))))
    assert [row["point"] for row in rows] == ["int8:1900000", "rd:1400000", "rd:1200000"], "in the order asked for"
    assert rows[1]["wire_bytes"] == "1400000" and rows[1]["mean_oks"] == "0.98" and rows[1]["lost"] == "3"
    assert [rows[1][name] for name in ("ap_loss", "ap_loss_low", "ap_loss_high")] == ["0.5", "-0.5", "1.5"]


def test_a_figure_that_was_not_measured_is_empty():
    (row,) = csv.DictReader(io.StringIO(frontier_csv([point("int8", 1_900_000, None)])))
    assert row["mean_oks"] == row["ap_loss"] == ""


def test_pictures_are_the_same_bytes_each_time_and_tell_no_date(tmp_path, monkeypatch):
    import matplotlib as mpl

    first, second = ([tmp_path / f"{run}{suffix}" for suffix in (".png", ".svg")] for run in (1, 2))
    draw_frontier(LABELLED, "title", first)
    monkeypatch.setitem(mpl.rcParams, "font.size", 30)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    draw_frontier(LABELLED, "title", second)
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes()
    assert not re.search(r"<dc:date>|matplotlib\.org|[Mm]atplotlib v", first[1].read_text())
    assert b"Software" not in first[0].read_bytes()
    assert mpl.rcParams["font.size"] == 30, "the user's style is left alone"


def test_a_second_panel_where_there_are_labels(tmp_path):
    draw_frontier(PLAIN, "title", [tmp_path / "plain.png"])
    draw_frontier(LABELLED, "title", [tmp_path / "labelled.png"])
    plain, labelled = (Image.open(tmp_path / name) for name in ("plain.png", "labelled.png"))
    assert plain.width == labelled.width == 1600, "twice the width that pages show"
    assert labelled.height > 1.5 * plain.height
    assert np.asarray(plain.convert("L")).std() > 5, "something is drawn"


def test_a_single_tiny_point_can_be_drawn(tmp_path):
    draw_frontier([point("rd", 40_000, 0.9)], "title", [tmp_path / "one.svg"])
    assert (tmp_path / "one.svg").stat().st_size > 1000


CROWDED = [
    ("float16", 5_359_079, 0.99987, (0.08, 0.0, 0.27)),
    ("int8", 1_937_883, 0.99134, (0.22, -0.43, 0.8)),
    ("int4", 1_533_336, 0.96223, (0.52, -0.86, 1.54)),
    ("rd", 1_798_724, 0.99157, (0.48, -0.07, 1.17)),
    ("rd", 1_593_727, 0.9926, (1.15, 0.38, 1.94)),
    ("rd", 1_392_486, 0.97839, (1.1, 0.0, 2.02)),
    ("rd", 1_198_375, 0.96591, (2.29, 0.9, 3.47)),
    ("rd", 996_562, 0.92152, (3.31, 1.1, 5.5)),
]


@pytest.mark.parametrize("width", [8.0, 4.4], ids=["page", "phone"])
def test_sizes_stand_beside_their_own_points_and_on_nothing_else(tmp_path, monkeypatch, width):
    drawn = []
    monkeypatch.setattr(
        "yolo_edge.validation.frontier.save_figure",
        lambda draw, pictures: figures.save_figure(lambda: drawn.append(draw()) or drawn[0], pictures),
    )
    points = [replace(point(*row), loss=PrecisionLoss(*loss)) for *row, loss in CROWDED]
    draw_frontier(points, "title", [tmp_path / "frontier.png"], width=width)
    for panel in drawn[0].axes:
        boxes = [text.get_window_extent() for text in panel.texts]
        marks = [panel.transData.transform(text.xy) for text in panel.texts]
        bars = [Bbox(panel.transData.transform(bar.get_segments()[0])).padded(4) for bar in panel.collections]
        parts = [[Bbox([mark, mark]).padded(9), *(bar for bar in bars if bar.x0 < mark[0] < bar.x1)] for mark in marks]
        assert len(boxes) == len(points) and len(bars) in (0, len(points))
        for index, box in enumerate(boxes):
            name = panel.texts[index].get_text()
            assert panel.bbox.x0 <= box.x0 and box.x1 <= panel.bbox.x1, f"{name} leaves the panel"
            assert panel.bbox.y0 <= box.y0 and box.y1 <= panel.bbox.y1, f"{name} leaves the panel"
            assert not panel.get_legend() or not box.overlaps(panel.get_legend().get_window_extent())
            assert not any(box.overlaps(part) for of_one in parts for part in of_one), f"{name} lies on something"
            gaps = [min(gap(box, part) for part in of_one) for of_one in parts]
            assert gaps[index] <= min(gaps) + 3, f"{name} is nearer to another point"
        assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def gap(box, other):
    """Pixels between two boxes."""
    across = max(other.x0 - box.x1, box.x0 - other.x1, 0)
    return np.hypot(across, max(other.y0 - box.y1, box.y0 - other.y1, 0))


def at(point, side, milliseconds=None):
    frame = None if milliseconds is None else FrameTime(milliseconds, milliseconds / 100)
    return replace(point, image_size=(side, side), frame=frame)


def test_rows_hold_size_and_frame_time():
    timed, untimed = csv.DictReader(io.StringIO(frontier_csv([at(PLAIN[0], 640, 100.0), at(PLAIN[1], 320)])))
    assert [timed[name] for name in ("height", "width", "frame_ms", "frame_ratio")] == ["640", "640", "100.0", "1.0"]
    assert (untimed["frame_ms"], untimed["frame_ratio"]) == ("", "")


def test_one_more_panel_where_there_are_several_sizes(tmp_path):
    one = [at(point, 640, 100.0) for point in LABELLED]
    both = [*one, *(at(point, 320, 30.0) for point in LABELLED)]
    untimed = [replace(point, frame=None) for point in both]
    draw_frontier(LABELLED, "title", [tmp_path / "plain.svg"])
    draw_frontier(one, "title", [tmp_path / "one.svg"])
    draw_frontier(both, "title", [tmp_path / "both.png", tmp_path / "both.svg"])
    draw_frontier(untimed, "title", [tmp_path / "untimed.svg"])
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "plain.svg").read_bytes(), "as it was without times"
    draw_frontier(LABELLED, "title", [tmp_path / "plain.png"])
    plain, more = (Image.open(tmp_path / f"{name}.png").height for name in ("plain", "both"))
    assert more > 1.3 * plain
    assert (tmp_path / "untimed.svg").read_bytes() != (tmp_path / "both.svg").read_bytes()
