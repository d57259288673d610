"""The persons that a model finds on a set, read photo by photo."""

import shutil

import pytest

from tests.nets import shipped_photo
from yolo_edge.checkpoint.export import load_onnx
from yolo_edge.errors import InputError
from yolo_edge.photos.benchmark import find_benchmark
from yolo_edge.photos.reading import readable
from yolo_edge.runtime.base import open_runtime
from yolo_edge.validation.detection import LOWEST_SCORE, find_persons


def test_persons_by_the_key_of_their_photo_without_those_that_cannot_be_read(converted_onnx, tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"no jpeg")
    shutil.copy(shipped_photo("bus.jpg"), tmp_path / "b.jpg")
    photos = readable(find_benchmark(tmp_path))
    with open_runtime("onnx", converted_onnx) as runtime:
        found = find_persons(runtime, load_onnx(converted_onnx).head, photos)
        assert list(found) == [1] and [entry.name for entry in photos.skipped] == ["a.jpg"]
        scores = [person.score for person in found[1]]
        assert scores == sorted(scores, reverse=True) and scores[2] > 0.5 and LOWEST_SCORE < scores[-1] < 0.25
        (tmp_path / "b.jpg").unlink()
        with pytest.raises(InputError, match="holds no photos that can be read"):
            find_persons(runtime, load_onnx(converted_onnx).head, readable(find_benchmark(tmp_path)))
