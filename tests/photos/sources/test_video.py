"""Frames of videos."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.photos.clips import frame_shown, write_clip
from yolo_edge.errors import InputError
from yolo_edge.photos.benchmark import Clip, find_benchmark
from yolo_edge.photos.reading import readable


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".avi", ".webm"])
def test_five_frames_of_a_second_by_default(tmp_path, suffix):
    found = find_benchmark(write_clip(tmp_path / f"walk{suffix}"))
    frames = [0, 6, 12, 18, 24, 30, 36, 42, 48, 54]
    assert [photo.name for photo in found.photos] == [f"walk{suffix}#{index}" for index in frames]
    assert (found.kind, found.frame_rate, found.labels) == ("video", 5.0, ())
    shown = [frame_shown(image) for _, image in readable(found)]
    assert shown == frames, "the frames that are read are those that the names say"


def test_another_rate_is_the_nearest_whole_step(tmp_path):
    clip = write_clip(tmp_path / "walk.mp4", frames=30, rate=24)
    for wanted, step in ((10, 2), (24, 1), (1000, 1), (0.1, 240)):
        found = find_benchmark(clip, frames_per_second=wanted)
        assert [photo.index for photo in found.photos] == list(range(0, 30, step))
        assert found.frame_rate == pytest.approx(24 / step)


def test_frames_may_be_read_in_any_order(tmp_path):
    found = find_benchmark(write_clip(tmp_path / "walk.mp4"))
    assert [frame_shown(found.photos[index].read()) for index in (7, 2, 2, 9, 0)] == [42, 12, 12, 54, 0]


@pytest.mark.parametrize("pattern", ["", "/*.avi", "/**/*.avi"])
def test_several_clips_can_be_told_apart(tmp_path, pattern):
    write_clip(tmp_path / "clips" / "b.avi", frames=30, rate=10)
    write_clip(tmp_path / "clips" / "a.avi", frames=30)
    found = find_benchmark(f"{tmp_path}/clips{pattern}")
    assert found.clips == (Clip("a.avi", (0, 1, 2, 3, 4), 5.0), Clip("b.avi", tuple(range(5, 20)), 5.0))
    assert found.keys == tuple(range(20))
    assert find_benchmark(f"{tmp_path}/clips{pattern}", limit=4).keys == (0, 1, 5, 6)


def test_colours_are_red_green_blue(tmp_path):
    import cv2
    import numpy as np

    writer = cv2.VideoWriter(str(tmp_path / "red.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    writer.write(np.full((48, 64, 3), (0, 0, 250), np.uint8))
    writer.release()
    image = find_benchmark(tmp_path / "red.avi").photos[0].read()
    assert image[20, 20, 0] > 200 > 60 > image[20, 20, 2]


def test_digests_tell_frames_and_videos_apart(tmp_path):
    one, same, other = (
        find_benchmark(write_clip(tmp_path / name, frames=frames))
        for name, frames in (("one.avi", 20), ("same.avi", 20), ("other.avi", 21))
    )
    digests = [photo.digest() for photo in one.photos]
    assert len(set(digests)) == len(digests) and digests == [photo.digest() for photo in same.photos]
    assert not set(digests) & {photo.digest() for photo in other.photos}


def test_a_damaged_video_is_named(tmp_path, said):
    good, bad = (write_clip(tmp_path / name, frames=20) for name in ("good.mp4", "bad.mp4"))
    bad.write_bytes(bad.read_bytes()[:300])
    with pytest.raises(InputError, match=r"no video that can be read.*bad\.mp4"):
        find_benchmark(bad)
    said.clear()
    found = find_benchmark(tmp_path)
    assert [clip.name for clip in found.clips] == [good.name]
    assert [entry.name for entry in found.skipped] == ["bad.mp4"] and "bad.mp4" in said[0]


def test_decoders_do_not_talk_past_us(tmp_path):
    bad = write_clip(tmp_path / "bad.mp4", frames=20)
    bad.write_bytes(bad.read_bytes()[:300])
    code = f"""
from yolo_edge.errors import InputError
from yolo_edge.photos.benchmark import find_benchmark
try:
    find_benchmark({str(bad)!r})
except InputError:
    print("refused")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("refused\n", "")


def test_frames_behind_the_damage_are_skipped_and_said_once(tmp_path, said):
    clip = write_clip(tmp_path / "cut.avi")
    clip.write_bytes(clip.read_bytes()[: int(clip.stat().st_size * 0.4)])
    photos = readable(find_benchmark(clip))
    read = [photo.index for photo, _ in photos]
    assert 0 < len(read) < 10 and read == list(range(0, 6 * len(read), 6))
    assert len(photos.skipped) == len(photos) - len(read)
    assert len(said) == 1 and "damaged behind frame" in said[0]


def test_patterns_and_names_without_videos(tmp_path):
    with pytest.raises(InputError, match="There are no videos at"):
        find_benchmark(f"{tmp_path}/*.mp4")
    with pytest.raises(InputError, match="There are no videos at"):
        find_benchmark(tmp_path / "nowhere.mp4")
