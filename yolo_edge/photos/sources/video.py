"""Frames of videos: one video, a folder of them, or a pattern such as ``clips/*.mp4``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from yolo_edge.console import say
from yolo_edge.errors import ImageError, InputError
from yolo_edge.files import sha256_of
from yolo_edge.photos.benchmark import Benchmark, Clip, Skipped
from yolo_edge.photos.photo import Image, Photo, photos_below
from yolo_edge.photos.source import FIX, Opening, SourceFormat

KIND = "video"
SUFFIXES = (".avi", ".mov", ".mp4", ".webm")
DEFAULT_RATE = 5.0
"""Frames of a second that are taken by default."""

_WILDCARDS = "*?["
_FASTEST = 1000.0  # frames a second; damaged headers tell of more


class Video:
    """A video file, decoded from front to back as its frames are asked for.

    Args:
        path: the file.
        wanted_rate: frames of a second to take.

    Attributes:
        path: the file.
        frames: how many frames it says to have.
        rate: its frames a second.
        sampled: the frames to take, every n-th with the n that comes nearest to the rate wanted, so that the time
            between two of them is the same throughout.

    Raises:
        ImageError: it cannot be opened.
    """

    def __init__(self, path: Path, wanted_rate: float = DEFAULT_RATE) -> None:
        self.path = path
        self._capture: Any = None
        self._turn = Lock()
        self._next = 0
        self._digest: str | None = None
        with self._decoder() as capture:
            import cv2

            self.rate = float(capture.get(cv2.CAP_PROP_FPS))
            told = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
            self.frames = told if told > 0 else self._counted()
        if not 0 < self.rate <= _FASTEST or self.frames < 1:
            raise ImageError(f"The video {path} is damaged: {self.frames} frames at {self.rate:g} a second.")
        self.sampled = range(0, self.frames, max(1, round(self.rate / wanted_rate)))

    @property
    def digest(self) -> str:
        """The file's sha256."""
        self._digest = self._digest or sha256_of(self.path)
        return self._digest

    def frame(self, index: int) -> Image:
        """Return a frame, uint8 RGB ``[H, W, 3]``, turned upright as the file says; threads take turns.

        Frames are decoded in order: seeking lands on another frame in some formats.

        Raises:
            ImageError: the video is damaged before that frame.
        """
        with self._turn:
            return self._decoded(index)

    def _decoded(self, index: int) -> Image:
        if self._capture is None or index < self._next:
            self.close()
            self._capture, self._next = _open(self.path), 0
        while self._next < index:
            self._advance()
        self._advance()
        is_read, image = self._capture.retrieve()
        if not is_read or image is None:
            raise self._damaged()
        if index == self.sampled[-1]:
            self.close()
        return np.ascontiguousarray(image[..., ::-1], dtype=np.uint8)

    def close(self) -> None:
        """Let go of the file."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def _advance(self) -> None:
        if not self._capture.grab():
            raise self._damaged()
        self._next += 1

    def _damaged(self) -> ImageError:
        return ImageError(f"The video {self.path} is damaged behind frame {self._next}; it tells of {self.frames}.")

    def _counted(self) -> int:
        """Count by decoding, where the file does not tell."""
        with self._decoder() as capture:
            count = 0
            while capture.grab():
                count += 1
        return count

    @contextmanager
    def _decoder(self) -> Iterator[Any]:
        capture = _open(self.path)
        try:
            yield capture
        finally:
            capture.release()


@dataclass(frozen=True)
class VideoFrame:
    """A frame of a video."""

    key: int
    name: str
    index: int
    video: Video = field(repr=False)

    def read(self) -> Image:
        """Return the pixels, uint8 RGB ``[H, W, 3]``; quick as long as frames are read in order."""
        return self.video.frame(self.index)

    def digest(self) -> str:
        """Return a sha256 over the video's hash and the frame's number."""
        return sha256(f"{self.video.digest}\n{self.index}".encode()).hexdigest()


def is_video(source: str) -> bool:
    """Say whether a source is a video, a pattern, or a folder that holds videos and no photos."""
    path = Path(source)
    if path.is_dir():
        return bool(_videos_below(path)) and not photos_below(path)
    return path.suffix.lower() in SUFFIXES or (any(mark in source for mark in _WILDCARDS) and not path.exists())


def read_videos(opening: Opening) -> Benchmark:
    """Open videos, and choose evenly spaced frames of each.

    Raises:
        InputError: there is no video, or none can be read.
    """
    files = _files_of(opening)
    photos: list[Photo] = []
    clips, skipped = [], []
    for file in files:
        try:
            video = Video(file, opening.frames_per_second or DEFAULT_RATE)
        except ImageError as error:
            skipped.append(Skipped(file.name, error.what))
            say(f"Skipping a video. {error.what}")
            continue
        frames = [
            VideoFrame(key, f"{file.name}#{index}", index, video)
            for key, index in enumerate(video.sampled, start=len(photos))
        ]
        clips.append(Clip(file.name, tuple(frame.key for frame in frames), video.rate / video.sampled.step))
        photos += frames
    if not photos:
        raise InputError(f"{opening.source} holds no video that can be read. {skipped[0].reason}", fix=FIX)
    return Benchmark(opening.path.name, KIND, tuple(photos), clips=tuple(clips), skipped=tuple(skipped))


def _files_of(opening: Opening) -> list[Path]:
    path = opening.path
    if path.is_dir():
        return _videos_below(path)
    if path.is_file():
        return [path]
    import glob

    found = sorted(Path(name) for name in glob.glob(opening.source, recursive=True))  # noqa: PTH207  (keeps ~ and ..)
    files = [file for file in found if file.suffix.lower() in SUFFIXES and file.is_file()]
    if not files:
        raise InputError(f"There are no videos at {opening.source} ({', '.join(SUFFIXES)}).", fix=FIX)
    return files


def _videos_below(directory: Path) -> list[Path]:
    return sorted(file for file in directory.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())


def _open(path: Path) -> Any:
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # quiet: what is wrong is said in our words
    import cv2

    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    try:
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    finally:
        cv2.utils.logging.setLogLevel(level)
    if not capture.isOpened():
        raise ImageError(f"The video {path} cannot be read: it is damaged, or of a format that OpenCV does not know.")
    return capture


FORMAT = SourceFormat(KIND, is_video, read_videos)
