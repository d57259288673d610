"""Statistics are gathered once for a model and its photos, and the same ones come back from the cache."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.quantization.tiny_pose import HEAD, KERNELS, SIZE, random_kernels, tiny_pose
from yolo_edge.console import TerminalReporter, reporting_to
from yolo_edge.quantization.calibration import Calibration, calibrate, model_digest
from yolo_edge.quantization.photos import PhotoSet, find_photos

SAMPLES = 6


@pytest.fixture(scope="module")
def photos() -> PhotoSet:
    return find_photos(None)


def calibrated(photos: PhotoSet, model=None, samples: int = SAMPLES, seed: int = 0) -> Calibration:
    return calibrate(model or tiny_pose(), HEAD, photos, samples=samples, seed=seed)


def assert_same(first: Calibration, second: Calibration) -> None:
    assert (first.digest, first.photos, first.count) == (second.digest, second.photos, second.count)
    assert list(first.layers) == list(second.layers)
    for name, layer in first.layers.items():
        assert layer.moments.tobytes() == second.layers[name].moments.tobytes(), f"{name}: moments"
        assert layer.harm.tobytes() == second.layers[name].harm.tobytes(), f"{name}: harm"


def test_every_convolution_has_statistics_of_its_shape(calibration_cache, photos):
    layers = calibrated(photos).layers
    assert set(layers) == set(KERNELS)
    groups = {"dense": 1, "depthwise": 32, "grouped": 4, "pointwise": 1}
    for name, (out, *column) in KERNELS.items():
        moments, harm = layers[name].moments, layers[name].harm
        count = int(np.prod(column))
        assert moments.shape == (groups[name], count, count) and moments.dtype == np.float32
        assert harm.shape == (out, out) and harm.dtype == np.float32
        assert (layers[name].sensitivity > 0).all()
        assert np.diagonal(moments, axis1=1, axis2=2).mean() == pytest.approx(1, rel=1e-4)
        for matrix in (*moments, harm):
            np.testing.assert_allclose(matrix, matrix.T, rtol=1e-6)
            values = np.linalg.eigvalsh(matrix.astype(np.float64))
            assert values.min() > -1e-5 * values.max(), "second moments are never negative"


def test_a_second_calibration_comes_from_the_cache_and_is_the_same(calibration_cache, photos, capsys):
    first = calibrated(photos)
    (file,) = calibration_cache.iterdir()
    before = file.stat()
    with reporting_to(TerminalReporter()):
        assert_same(first, calibrated(photos))
    assert "taken from the cache" in capsys.readouterr().err
    assert file.stat().st_mtime_ns == before.st_mtime_ns and file.stat().st_ino == before.st_ino


def test_gathering_anew_gives_the_same(calibration_cache, photos):
    first = calibrated(photos)
    for file in calibration_cache.iterdir():
        file.unlink()
    assert_same(first, calibrated(photos))


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes(byte ^ 0xFF for byte in content[middle : middle + 64]) + content[middle + 64 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"hello",
        lambda content: content[:1000],
        lambda content: content[: len(content) // 2],
        lambda content: b"PK\x03\x04" + bytes(100),
        flipped,
    ],
    ids=["empty", "text", "cut early", "cut in the middle", "no zip", "flipped bits"],
)
def test_a_damaged_cache_file_is_gathered_anew(calibration_cache, photos, damage):
    first = calibrated(photos)
    (file,) = calibration_cache.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert_same(first, calibrated(photos))
    assert [path.name for path in calibration_cache.iterdir()] == [file.name] and file.stat().st_size == len(whole)


def test_the_digest_depends_on_all_that_decides(calibration_cache, photos):
    other_photos = replace(photos, digest="0" * 64)
    digests = {
        "same": calibrated(photos).digest,
        "model": calibrated(photos, tiny_pose(random_kernels(1))).digest,
        "photos": calibrated(other_photos).digest,
        "samples": calibrated(photos, samples=SAMPLES + 1).digest,
        "seed": calibrated(photos, seed=1).digest,
    }
    assert len(set(digests.values())) == len(digests)
    assert len(list(calibration_cache.iterdir())) == len(digests)


def test_names_and_licence_do_not_change_the_digest():
    model = tiny_pose()
    before = model_digest(model)
    model.producer_name = "another tool"
    model.metadata_props.add(key="author", value="somebody")
    assert model_digest(model) == before != model_digest(tiny_pose(random_kernels(1)))


def test_kernels_of_zeros_have_finite_statistics(calibration_cache, photos):
    kernels = {name: np.zeros_like(kernel) for name, kernel in random_kernels().items()}
    for layer in calibrated(photos, tiny_pose(kernels)).layers.values():
        assert np.isfinite(layer.moments).all() and np.isfinite(layer.harm).all()


@pytest.mark.slow
def test_large_photos_are_scaled_down(calibration_cache, tmp_path):
    """One at a time: eight of 6000x4000 px are 576 MB as pixels. Peak memory in a process of its own."""
    import subprocess
    import sys

    from PIL import Image

    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(8):
        Image.new("RGB", (6000, 4000), (index * 30, 90, 200)).save(folder / f"{index}.jpg")
    script = f"""
from pathlib import Path
from tests.quantization.tiny_pose import HEAD, tiny_pose
from yolo_edge.console import TerminalReporter, reporting_to
from yolo_edge.quantization.calibration import calibrate
from yolo_edge.quantization.photos import find_photos
import cv2, torch, onnxruntime, yolo_edge.pose.image
photos = find_photos({str(folder)!r}, samples=8)
print(len(calibrate(tiny_pose(), HEAD, photos, samples=4).layers))
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(int(status["VmHWM"].split()[0]) // 1024)  # getrusage would count what the parent held when it forked
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    layers, mebibytes = map(int, done.stdout.split())
    assert layers == len(KERNELS) and SIZE == 64
    assert mebibytes < 1200, "torch and onnxruntime take 500 to 700, two decoded photos 140"


def test_an_input_of_great_harm_decides_no_more_than_the_others(calibration_cache, photos, monkeypatch):
    """Harm differs by orders of magnitude from input to input: one blurred person would decide about all layers."""
    from itertools import count

    from yolo_edge.quantization import passes

    plain = calibrated(photos)
    for file in calibration_cache.iterdir():
        file.unlink()
    genuine, calls = passes.harm_scale, count()

    def loud(output, head):
        anchors, scale = genuine(output, head)
        return anchors, scale * (1000 if next(calls) == 0 else 1)

    monkeypatch.setattr(passes, "harm_scale", loud)
    for name, layer in calibrated(photos).layers.items():
        np.testing.assert_allclose(layer.harm, plain.layers[name].harm, rtol=1e-3, err_msg=name)
        np.testing.assert_allclose(layer.moments, plain.layers[name].moments, rtol=1e-3, atol=1e-4, err_msg=name)
