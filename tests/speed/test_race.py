import shutil
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise, permutations

import pytest

from tests.nets import shipped_photo
from yolo_edge.bundle.manifest import read_manifest
from yolo_edge.errors import ModelError
from yolo_edge.pose.image import read_image
from yolo_edge.runtime.base import RUNTIMES
from yolo_edge.runtime.browser import has_gpu
from yolo_edge.speed import race as race_module
from yolo_edge.speed.contender import directory_contenders
from yolo_edge.speed.lane import Track
from yolo_edge.speed.race import SETTLING, prepare_lab, race


@pytest.fixture
def contender(tiny):
    return directory_contenders([tiny])[0]


@pytest.fixture
def raced(tmp_path):
    """A function that races contenders on the photo of the bus."""
    photo = read_image(shipped_photo("bus.jpg"))

    def run(kind, contenders, **options):
        prepare_lab(tmp_path, photo, contenders)
        track = Track(tmp_path, (photo.shape[0], photo.shape[1]))
        return race(kind, contenders, track, **{"rounds": 3, **options})

    return run


def test_a_model_is_measured_in_node(contender, raced):
    (row,) = raced(RUNTIMES["node"], [contender], profile=True)
    figures = row.figures
    assert len(figures.frame_milliseconds) == len(figures.find_milliseconds) == 3
    assert min(figures.load_milliseconds, figures.first_milliseconds, *figures.frame_milliseconds) > 0
    assert figures.persons == 1, "the model sees one person on every photo"
    assert figures.ratio == 1 and figures.reference == "tiny"
    assert figures.tensor_bytes > 4 * 56 * 84, "the known output is a weight"
    assert figures.wasm_bytes > figures.tensor_bytes and figures.script_bytes > 0
    assert figures.kernels == sum(kernel.calls for kernel in figures.profile) > 0
    assert sum(kernel.share for kernel in figures.profile) == pytest.approx(1)
    assert figures.draws is None and figures.programs is None
    assert figures.versions["tfjs"] == "4.22.0" and figures.threads == 1


def test_genuine_weights_find_the_persons_that_python_finds(converted, raced):
    from yolo_edge.pose.decode import detect
    from yolo_edge.pose.letterbox import letterbox
    from yolo_edge.runtime.base import open_runtime

    photo, head = read_image(shipped_photo("bus.jpg")), read_manifest(converted).head
    images, geometry = letterbox(photo, head.image_size)
    with open_runtime("node", converted) as runtime:
        persons = detect(runtime.run(images), head, geometry)
    (row,) = raced(RUNTIMES["node"], list(directory_contenders([converted])), rounds=1, profile=True)
    assert row.figures.persons == len(persons) > 1
    operations = 2 * sum(kernel.multiply_adds for kernel in row.figures.profile)
    assert operations * (640 / 320) ** 2 == pytest.approx(7.5e9, rel=0.05), "Ultralytics counts 7.4 to 7.6 GFLOPs"


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("backend", ["wasm", "webgl"])
def test_a_model_is_measured_in_a_page(contender, raced, backend):
    (row,) = raced(RUNTIMES[f"browser:{backend}"], [contender], profile=True)
    figures = row.figures
    assert figures.persons == 1 and figures.adapter and figures.kernels > 0
    if backend == "webgl":
        assert row.is_software == (not has_gpu())
        assert figures.draws >= figures.kernels / 2 and figures.programs > 0
        assert all(kernel.milliseconds is None for kernel in figures.profile)
    else:
        assert not row.is_software and figures.draws is None and figures.wasm_bytes > 1e6


@pytest.mark.slow
@pytest.mark.browser
def test_a_backend_that_is_not_there_has_rows_that_say_so(contender, raced):
    onnx = replace(contender, name="onnx", runner="onnx")
    rows = raced(replace(RUNTIMES["browser:webgpu"], backend="webnn"), [contender, onnx])
    assert [row.figures for row in rows] == [None, None]
    assert "'webnn' is not available here" in rows[0].unavailable
    assert "onnxruntime-web is raced on WebAssembly alone" in rows[1].unavailable


def test_a_model_that_does_not_load_does_not_stop_the_others(contender, raced, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(contender.folder, broken)
    (broken / "model.json").write_text("{}")
    first, second = raced(RUNTIMES["node"], [replace(contender, name="broken", folder=broken), contender])
    assert first.figures is None and "could not load broken" in first.unavailable
    assert second.figures.ratio == 1 and second.figures.reference == "tiny"


class ScriptedLane:
    """Takes as long as it is told to: a base, times what everything takes in that turn."""

    def __init__(self, name, base, course, asked, ends_at):
        self.facts = {
            **{"loadMilliseconds": 1, "firstMilliseconds": 1, "programs": None, "finds": False},
            **{"adapter": None, "threads": 1, "versions": {}},
        }
        self.name, self.base, self.course, self.asked, self.ends_at = name, base, iter(course), asked, ends_at

    def close(self):
        self.asked.append(f"{self.name} closed")

    def ask(self, job, argument=None):
        if job != "frame":
            return dict.fromkeys(("kernels", "draws", "tensorBytes", "peakTensorBytes", "wasmBytes", "scriptBytes"))
        self.asked.append(self.name)
        if self.asked.count(self.name) == self.ends_at:
            raise ModelError(f"{self.name} ended.")
        return {"milliseconds": self.base * next(self.course)}


@pytest.fixture
def scripted(monkeypatch):
    """A function that races lanes of given bases, on a machine whose speed changes from turn to turn."""

    def run(contender, bases, *, sizes=None, ends_at=None, rounds=4):
        asked = []
        course = [100.0] * SETTLING + [1.0, 5.0, 2.0, 9.0] * (rounds // 4)
        lanes = {
            name: ScriptedLane(name, base, course, asked, (ends_at or {}).get(name)) for name, base in bases.items()
        }

        class ScriptedHost:
            def open_lane(self, contender):
                return lanes[contender.name]

        @contextmanager
        def open_host(kind, track, contenders):
            yield ScriptedHost()

        monkeypatch.setattr(race_module, "open_host", open_host)
        size = (64, 64)
        contenders = [replace(contender, name=name, image_size=(sizes or {}).get(name, size)) for name in bases]
        return race(RUNTIMES["node"], contenders, Track(contender.folder, size), rounds=rounds), asked

    return run


def test_what_slows_the_machine_leaves_the_ratios_alone(contender, scripted):
    rows, _ = scripted(contender, {"a": 10.0, "b": 20.0})
    assert [row.figures.ratio for row in rows] == [1, 2]
    assert rows[0].figures.frame_milliseconds == (10, 50, 20, 90), "turns of settling count"


def test_nobody_always_follows_the_same_one(contender, scripted):
    _, asked = scripted(contender, {"a": 1.0, "b": 1.0, "c": 1.0}, rounds=40)
    followed = Counter((first, second) for first, second in pairwise(asked[6:]) if first != second)
    assert set(followed) == set(permutations("abc", 2))
    assert max(followed.values()) <= 3 * min(followed.values()), "each follows each about as often"


def test_models_are_compared_with_the_first_of_their_size(contender, scripted):
    rows, _ = scripted(contender, {"a": 1.0, "b": 4.0, "c": 6.0, "d": 3.0}, sizes={"b": (96, 96), "c": (96, 96)})
    assert [(row.figures.reference, row.figures.ratio) for row in rows] == [("a", 1), ("b", 1), ("b", 1.5), ("a", 3)]


def test_a_model_that_ends_in_the_middle_leaves_the_race(contender, scripted):
    rows, asked = scripted(contender, {"a": 1.0, "b": 2.0, "c": 3.0}, ends_at={"a": 3})
    assert asked.count("a closed") == 1, "it takes no more time from the others"
    assert rows[0].figures is None and rows[0].unavailable == "a ended."
    assert [(row.figures.reference, row.figures.ratio) for row in rows[1:]] == [("b", 1), ("b", 1.5)]


@pytest.mark.slow
@pytest.mark.browser
def test_a_shard_that_is_gone_when_a_page_asks_for_it_is_no_measurement(contender, tmp_path, raced):
    folder = tmp_path / "model"
    shutil.copytree(contender.folder, folder)
    for shard in folder.glob("*.bin"):
        shard.unlink()
    with pytest.raises(ModelError):
        raise raced(RUNTIMES["browser:wasm"], [replace(contender, folder=folder)])[0].problem
