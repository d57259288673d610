"""What a set is, whatever form it comes in."""

from __future__ import annotations

import numpy as np
import pytest

from tests.validation.persons import label_of, make_person, write_photo
from yolo_edge.errors import InputError, UsageError
from yolo_edge.photos.benchmark import Benchmark, Clip, PersonLabel, chosen, find_benchmark
from yolo_edge.photos.photo import FilePhoto
from yolo_edge.photos.source import find_photo_files


def numbered_set(tmp_path, count: int, **more) -> Benchmark:
    photos = tuple(FilePhoto(key, f"{key}.png", tmp_path / f"{key}.png") for key in range(count))
    return Benchmark("set", "folder", photos, **more)


def test_nothing_given_is_the_builtin_set():
    assert find_benchmark(None) == find_benchmark("builtin")
    assert find_benchmark(None).name == "builtin"


def test_a_limit_is_a_seeded_choice_in_the_order_of_the_set(tmp_path):
    for index in range(12):
        write_photo(tmp_path / f"{index:02}.png")
    whole = find_benchmark(tmp_path)
    some, again, others = (find_benchmark(tmp_path, limit=5, seed=seed) for seed in (0, 0, 3))
    assert len(some.photos) == 5 and some == again
    assert some.keys != others.keys and some.keys == tuple(sorted(some.keys))
    assert set(some.photos) < set(whole.photos), "a photo keeps its key"
    assert set(some.photos) < set(find_benchmark(tmp_path, limit=8).photos), "a smaller choice is part of a larger one"
    assert find_benchmark(tmp_path, limit=99) == whole


def test_a_choice_needs_no_order():
    assert chosen([5, 3, 9], 2, 1) == chosen([9, 5, 3], 2, 1)
    assert chosen([5, 3, 9], None, 1) == {3, 5, 9}


def test_labels_go_with_their_photos(tmp_path):
    labels = tuple(label_of(make_person(), key) for key in range(6))
    part = numbered_set(tmp_path, 6, labels=labels).sample(2, 0)
    assert {label.photo for label in part.labels} == set(part.keys) and len(part.labels) == 2


def test_frames_are_taken_from_the_start_of_each_clip(tmp_path):
    clips = (Clip("a", (0, 1, 2, 3), 5.0), Clip("b", (4, 5), 2.5))
    whole = numbered_set(tmp_path, 6, clips=clips)
    part = whole.sample(5, 7)
    assert part.clips == (Clip("a", (0, 1, 2), 5.0), Clip("b", (4, 5), 2.5))
    assert part.keys == (0, 1, 2, 4, 5)
    assert whole.sample(1, 7).clips == (Clip("a", (0,), 5.0),)


def test_frame_rate_is_frames_by_seconds(tmp_path):
    clips = (Clip("a", (0, 1, 2, 3), 4.0), Clip("b", (4, 5), 2.0))
    assert numbered_set(tmp_path, 6, clips=clips).frame_rate == pytest.approx(6 / 2)
    assert numbered_set(tmp_path, 6).frame_rate is None


def test_labels_have_any_number_of_keypoints(tmp_path):
    label = PersonLabel(0, (1.0, 2.0, 2.0, 3.0, 4.0, 0.0), (0.0, 0.0, 5.0, 5.0), 20.0)
    assert (label.keypoint_count, label.labelled_keypoints, label.counts) == (2, 1, True)
    assert numbered_set(tmp_path, 1, labels=(label,)).keypoint_count == 2
    assert numbered_set(tmp_path, 1).keypoint_count is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": 0}, "--limit 0 leaves no photo"),
        ({"frames_per_second": 0.0}, "leave no frame"),
        ({"frames_per_second": float("nan")}, "leave no frame"),
        ({"frames_per_second": 2.0}, "builtin holds no video"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(UsageError, match=message) as error:
        find_benchmark(None, **options)
    assert error.value.fix


@pytest.mark.parametrize("source", ["nowhere", "x" * 5000, "no\0where"])
def test_sources_that_are_nothing(source):
    with pytest.raises(InputError, match="There are no photos at") as error:
        find_benchmark(source)
    assert "yolo-edge benchmark list" in error.value.fix


def test_files_of_what_has_none():
    with pytest.raises(InputError, match="are no files"):
        find_photo_files("builtin")


def test_opening_decodes_nothing(tmp_path, monkeypatch):
    write_photo(tmp_path / "a.png")
    monkeypatch.setattr("yolo_edge.photos.photo.read_image", lambda path: pytest.fail(f"{path} was decoded"))
    assert len(find_benchmark(tmp_path).photos) == 1


def test_digest_follows_the_content(tmp_path):
    (photo,) = find_benchmark(write_photo(tmp_path / "a.png").parent).photos
    before = photo.digest()
    assert before == find_benchmark(tmp_path).photos[0].digest()
    write_photo(tmp_path / "a.png", size=(65, 48))
    assert photo.digest() != before
    assert photo.read().shape == (48, 65, 3) and photo.read().dtype == np.uint8
