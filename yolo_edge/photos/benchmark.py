"""A set of photos that a model is judged on, with its labels where there are any."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from yolo_edge.errors import InputError, UsageError
from yolo_edge.photos.photo import Photo


@dataclass(frozen=True)
class PersonLabel:
    """One labelled person.

    Attributes:
        photo: key of the photo.
        keypoints: x, y in pixels of the upright photo and COCO's flag (0 not labelled, 1 hidden, 2 visible) of each
            keypoint, in a row: ``3 K`` values.
        box: left, top, width, height in pixels of the upright photo.
        area: of the person's silhouette, square pixels.
        is_crowd: the label stands for a group, which is never counted as missed.
    """

    photo: int
    keypoints: tuple[float, ...]
    box: tuple[float, float, float, float]
    area: float
    is_crowd: bool = False

    @property
    def keypoint_count(self) -> int:
        """How many keypoints the label has room for."""
        return len(self.keypoints) // 3

    @property
    def labelled_keypoints(self) -> int:
        """How many keypoints have a place."""
        return sum(flag > 0 for flag in self.keypoints[2::3])

    @property
    def counts(self) -> bool:
        """Whether a model must find this person."""
        return self.labelled_keypoints > 0 and not self.is_crowd


@dataclass(frozen=True)
class Skipped:
    """A photo, or a label, that is left out.

    Attributes:
        name: of the photo or file.
        reason: why, as a sentence.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class Clip:
    """Frames of one video.

    Attributes:
        name: of the video.
        photos: keys of its sampled frames, in order of time and evenly spaced.
        frame_rate: sampled frames a second.
    """

    name: str
    photos: tuple[int, ...]
    frame_rate: float


@dataclass(frozen=True)
class Benchmark:
    """Photos to judge a model on.

    Attributes:
        name: what to call the set.
        kind: the form it came in: ``builtin``, ``folder``, ``coco``, ``ultralytics`` or ``video``.
        photos: the photos, in a stable order; read one at a time with :func:`yolo_edge.photos.reading.readable`.
        labels: labelled persons on these photos, by photo; empty where there are no labels.
        clips: where the photos are frames of videos, which frames belong together.
        skipped: what was left out when the set was opened, and why.
    """

    name: str
    kind: str
    photos: tuple[Photo, ...]
    labels: tuple[PersonLabel, ...] = ()
    clips: tuple[Clip, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    @property
    def keypoint_count(self) -> int | None:
        """How many keypoints a label has; None without labels."""
        return self.labels[0].keypoint_count if self.labels else None

    @property
    def frame_rate(self) -> float | None:
        """Sampled frames a second of the clips, in the mean over all their frames; None where there are no clips."""
        seconds = sum(len(clip.photos) / clip.frame_rate for clip in self.clips)
        return sum(len(clip.photos) for clip in self.clips) / seconds if seconds else None

    def sample(self, limit: int | None, seed: int) -> Benchmark:
        """Return the set with ``limit`` of its photos at most, and the labels on these.

        Frames of videos are taken from the start of each clip, the same share of each: frames apart from one another
        would tell nothing of movement. Other photos are drawn by the seed.
        """
        if limit is None or limit >= len(self.photos):
            return self
        keys = _first_frames(self.clips, limit) if self.clips else chosen(self.keys, limit, seed)
        clips = [replace(clip, photos=tuple(key for key in clip.photos if key in keys)) for clip in self.clips]
        return replace(
            self,
            photos=tuple(photo for photo in self.photos if photo.key in keys),
            labels=tuple(label for label in self.labels if label.photo in keys),
            clips=tuple(clip for clip in clips if clip.photos),
        )

    @property
    def keys(self) -> tuple[int, ...]:
        """Keys of the photos, in their order."""
        return tuple(photo.key for photo in self.photos)


def chosen(keys: Iterable[int], limit: int | None, seed: int) -> frozenset[int]:
    """Draw ``limit`` keys (all of them for None); a smaller draw of the same seed is part of a larger one."""
    candidates = sorted(keys)
    order = np.random.default_rng(seed).permutation(len(candidates))
    return frozenset(candidates[index] for index in order[:limit])


def _first_frames(clips: Sequence[Clip], limit: int) -> frozenset[int]:
    """Take frames in turn, one of each clip, until there are ``limit``."""
    ranked = sorted((rank, index, key) for index, clip in enumerate(clips) for rank, key in enumerate(clip.photos))
    return frozenset(key for _, _, key in ranked[:limit])


def find_benchmark(
    source: str | Path | None, *, limit: int | None = None, seed: int = 0, frames_per_second: float | None = None
) -> Benchmark:
    """Find photos to judge a model on, and their labels where there are any.

    No photo is decoded here, so a set of thousands opens quickly. What cannot be used is named and left out.

    Args:
        source: ``"builtin"`` (also None), the name or the yaml of a described set (``configs/benchmarks/``), a COCO
            keypoint ``.json``, an Ultralytics pose data ``.yaml``, a video, a folder or a pattern (``clips/*.mp4``) of
            videos, or a folder of photos. A file or folder goes before a name.
        limit: the most photos to take; all by default.
        seed: of the choice of those.
        frames_per_second: how many frames of a second of video to take, about 5 by default.

    Raises:
        InputError: there is no such source, it is damaged, or none of its photos is there; a described set is not
            fetched.
        UsageError: ``limit`` or ``frames_per_second`` is not positive, or the latter is given for what is no video.
    """
    from yolo_edge.photos.source import FIX, Opening, find_format

    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit} leaves no photo.", fix="Give 1 or more.")
    if frames_per_second is not None and not frames_per_second > 0:
        raise UsageError(f"{frames_per_second:g} frames a second leave no frame.", fix="Give a number above 0.")
    opening = Opening("builtin" if source is None else str(source), limit, seed, frames_per_second)
    form = find_format(opening.source)
    try:
        found = form.read(opening)
    except OSError as error:
        raise InputError(f"{opening.source} cannot be read: {error.strerror}.", fix=FIX) from error
    if frames_per_second is not None and not found.clips:
        raise UsageError(f"{found.name} holds no video, so no frames a second.", fix="Leave that option out.")
    return found.sample(limit, seed)
