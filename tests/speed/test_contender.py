import shutil

import brotli
import numpy as np
import pytest

from yolo_edge.bundle.manifest import read_manifest
from yolo_edge.errors import ModelError, UsageError
from yolo_edge.speed.contender import BEST_QUALITY_BYTES, INPUT_FORMS, directory_contenders, wire_bytes_of_files


def test_a_directory_is_entered_as_its_manifest_says(tiny):
    (contender,) = directory_contenders([tiny])
    manifest = read_manifest(tiny)
    assert contender.name == "tiny" and not contender.is_peer
    assert contender.image_size == (64, 64) and contender.wire_bytes == manifest.wire_bytes
    assert contender.contract["output"]["keypoint_values"] == ["x", "y", "visibility"]
    assert len(contender.keypoint_names) == 17


def test_names_are_as_long_as_it_takes_to_tell_them_apart(tiny, tmp_path):
    places = [tmp_path / "small" / "int8", tmp_path / "large" / "int8"]
    for place in places:
        shutil.copytree(tiny, place)
    assert [contender.name for contender in directory_contenders(places)] == ["small/int8", "large/int8"]


def test_what_cannot_be_raced_is_refused(tiny, tmp_path):
    with pytest.raises(UsageError, match="no model"):
        directory_contenders([])
    with pytest.raises(UsageError, match="tiny is given twice"):
        directory_contenders([tiny, tiny])
    with pytest.raises(ModelError, match="does not exist"):
        directory_contenders([tmp_path / "nowhere"])
    damaged = tmp_path / "damaged"
    shutil.copytree(tiny, damaged)
    (damaged / "model.json").write_text("{}")
    with pytest.raises(ModelError, match=r"model\.json has changed"):
        directory_contenders([damaged])


def test_large_files_of_others_are_compressed_as_float_weights_are(tmp_path):
    small, large = tmp_path / "small.bin", tmp_path / "large.bin"
    small.write_bytes(bytes(range(256)) * 40)
    values = np.random.default_rng(0).integers(0, 16, BEST_QUALITY_BYTES + 1, dtype=np.uint8)
    large.write_bytes(values.tobytes())
    best, float_quality = len(brotli.compress(small.read_bytes(), quality=11)), len(brotli.compress(values, quality=5))
    assert wire_bytes_of_files([small]) == best
    assert wire_bytes_of_files([small, large]) == best + float_quality


def test_inputs_hold_the_same_photo():
    images = np.random.default_rng(0).integers(0, 256, (1, 4, 6, 3)).astype(np.float32) / 255
    sent = INPUT_FORMS["bytes"].values_of(images)
    assert sent.dtype == np.int32 and (sent == np.rint(images * 255)).all()
    turned = INPUT_FORMS["channels first"].values_of(images)
    assert list(turned.shape) == INPUT_FORMS["channels first"].shape((4, 6)) == [1, 3, 4, 6]
    assert turned[0, 2, 3, 5] == images[0, 3, 5, 2]
