from PIL import Image

from tests.speed.rows import row
from yolo_edge.speed.chart import draw_race


def test_the_picture_grows_with_its_rows_and_is_the_same_each_time(tmp_path):
    rows = [row("ours"), row("theirs", is_peer=True), row("on a GPU", backend="browser:webgl", is_software=True)]
    draw_race(rows, [tmp_path / "first.png"])
    draw_race(rows, [tmp_path / "second.png"])
    draw_race([*rows, row("lost", figures=None)], [tmp_path / "third.png"])
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "third.png").read_bytes(), "no bar where nothing ran"
    draw_race(rows[:2], [tmp_path / "small.png"])
    assert Image.open(tmp_path / "small.png").height < Image.open(tmp_path / "first.png").height
