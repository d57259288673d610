"""``predict``: photos → persons, and pictures with their skeletons drawn."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolo_edge.checkpoint.source import resolve_source
from yolo_edge.console import progress, say
from yolo_edge.errors import ImageError, ModelError, OutputError, UsageError
from yolo_edge.files import staged_file
from yolo_edge.pose.decode import CONFIDENCE, IOU, Person, detect
from yolo_edge.pose.draw import draw_persons
from yolo_edge.pose.head import PoseHead, read_head
from yolo_edge.pose.image import read_image
from yolo_edge.pose.letterbox import letterbox
from yolo_edge.runtime.base import Runtime, RuntimeKind, find_runtime, open_runtime, source_kind
from yolo_edge.tfjs.manifest import MODEL_FILE

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
"""Formats that pictures are written in."""

_JPEG_QUALITY = 92


@dataclass(frozen=True)
class ImagePrediction:
    """What was found on one photo.

    Attributes:
        path: the photo.
        persons: who is on it, by falling score, in pixels of the photo.
        seconds: wall time of the model alone.
        picture: the picture that was drawn, if one was asked for.
    """

    path: Path
    persons: tuple[Person, ...]
    seconds: float
    picture: Path | None


@dataclass(frozen=True)
class Prediction:
    """What ``predict`` found.

    Attributes:
        model: the file or directory that ran.
        runtime: the name of the runtime that ran it.
        head: what the model's classes and keypoints are.
        images: one entry a photo, in the order given.
    """

    model: Path
    runtime: str
    head: PoseHead
    images: tuple[ImagePrediction, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready values; coordinates are pixels of the photo."""
        return {
            "model": str(self.model),
            "runtime": self.runtime,
            "keypoint_names": list(self.head.keypoint_names),
            "images": [
                {
                    "path": str(image.path),
                    "seconds": round(image.seconds, 4),
                    "picture": str(image.picture) if image.picture else None,
                    "persons": [self._person_to_json(person) for person in image.persons],
                }
                for image in self.images
            ],
        }

    def _person_to_json(self, person: Person) -> dict[str, Any]:
        return {
            "class": self.head.classes[person.class_index],
            "score": round(person.score, 5),
            "box": person.box.round(3).tolist(),
            "keypoints": person.keypoints.round(3).tolist(),
        }


def predict(
    model: str | Path,
    images: Sequence[str | Path],
    *,
    runtime: str = "auto",
    output: str | Path | None = None,
    confidence: float = CONFIDENCE,
    iou: float = IOU,
    browser: str | Path | None = None,
    trust: bool = False,
    force: bool = False,
) -> Prediction:
    """Find the persons on photos. Letterbox, decoding and suppression are the same whatever the runtime.

    Args:
        model: a converted directory (or its ``model.json``), an ``.onnx``, a ``.pt``, or a catalogue name.
        images: photos.
        runtime: a name of :data:`yolo_edge.runtime.base.RUNTIMES`; ``auto`` runs a ``.pt`` with ``torch``, an
            ``.onnx`` with ``onnx`` and a directory with ``node``.
        output: where to draw the skeletons: a file for one photo, a directory (of ``<stem>.png``) for several.
        confidence: lowest score of a person, 0-1.
        iou: overlap above which the weaker of two boxes is dropped, 0-1.
        browser: the Chromium that the ``browser`` runtimes start; None looks for one.
        trust: load a checkpoint of one's own without the pickle check.
        force: replace existing pictures.

    Raises:
        UsageError: options that do not go together, or a photo in place of the model.
        ImageError: a photo cannot be read.
        InputError: the model does not exist, is damaged, or no pose model.
        OutputError: a picture exists already or cannot be written; then none of them is.
        MissingComponentError: the runtime needs something that is not installed.
    """
    photos = [Path(image) for image in images]
    _check_arguments(model, photos, confidence, iou)
    pictures = _plan_pictures(photos, Path(output) if output is not None else None, force)
    source = _model_source(model)
    kind = find_runtime(runtime, source)
    options = _runtime_options(kind, browser, trust)
    head = head_of(source, trust=trust)
    say(f"Running {source} with {kind.name} at {head.image_size[0]}x{head.image_size[1]} px")
    found: list[ImagePrediction] = []
    with ExitStack() as stack:
        engine = stack.enter_context(open_runtime(kind.name, source, **options))
        advance = stack.enter_context(progress("Predicting", len(photos), "photos"))
        _forget_new_directory(stack, pictures)
        for path, picture in zip(photos, pictures, strict=True):
            photo = read_image(path)
            persons = _persons_on(photo, engine, head, confidence, iou)
            if picture:
                _save(draw_persons(photo, persons, head), stack.enter_context(staged_file(picture, force=force)))
            found.append(ImagePrediction(path, tuple(persons), engine.timings.runs[-1], picture))
            advance(1)
    return Prediction(source, kind.name, head, tuple(found))


def _check_arguments(model: str | Path, photos: Sequence[Path], confidence: float, iou: float) -> None:
    """Refuse what can be seen to be wrong before anything is loaded."""
    for name, value in (("confidence", confidence), ("iou", iou)):
        if not 0 <= value <= 1:
            raise UsageError(f"--{name} is {value:g}, which is not between 0 and 1.", fix="Give a share, as 0.25.")
    if Path(model).suffix.lower() in PICTURE_SUFFIXES and Path(model).is_file():
        raise UsageError(f"{model} is a photo, and stands where the model belongs.", fix=_model_first(model, photos))
    for photo in photos:
        if not photo.is_file():
            what = "is a directory" if photo.is_dir() else "does not exist"
            raise ImageError(f"The photo {photo} {what}.", fix="Check the path.")


def _model_first(model: str | Path, photos: Sequence[Path]) -> str:
    """Say how the same is written with the model in its place; where none is named, that one belongs there."""
    other = next((name for name in photos if name.suffix.lower() not in PICTURE_SUFFIXES), None)
    if other is None:
        return "Name the model first, then the photos: yolo-edge predict MODEL PHOTO..."
    rest = [str(model), *(str(name) for name in photos if name != other)]
    return f"Name the model first, then the photos: {shlex.join(['yolo-edge', 'predict', str(other), *rest])}"


def head_of(source: Path, *, trust: bool = False) -> PoseHead:
    """Read what a model's output means: from a directory's manifest, an ONNX file's metadata, or the checkpoint.

    Raises:
        ModelError: it is not a pose model, or a TF.js directory that yolo-edge did not make.
        CheckpointError: the checkpoint is damaged, unsafe, or holds no pose model.
    """
    return _HEAD_READERS[source_kind(source)](source, trust)


def _head_of_directory(source: Path, trust: bool) -> PoseHead:
    from yolo_edge.bundle.manifest import read_manifest

    return read_manifest(source).head


def _head_of_onnx(source: Path, trust: bool) -> PoseHead:
    import onnx

    try:
        model = onnx.load(source)
    except Exception as error:  # protobuf raises several unrelated types
        raise ModelError(f"{source} is not a valid ONNX model.", fix="Export or download it again.") from error
    return read_head(model, source.name)


def _head_of_checkpoint(source: Path, trust: bool) -> PoseHead:
    from yolo_edge.checkpoint.export import read_checkpoint_head

    return read_checkpoint_head(source, trust=trust)


_HEAD_READERS = {".pt": _head_of_checkpoint, ".onnx": _head_of_onnx, "directory": _head_of_directory}


def _model_source(model: str | Path) -> Path:
    path = Path(model)
    if path.name == MODEL_FILE and path.is_file():
        return path.parent
    return path if path.is_dir() else resolve_source(str(model))


def _runtime_options(kind: RuntimeKind, browser: str | Path | None, trust: bool) -> dict[str, Any]:
    if browser is not None and "browser_path" not in kind.options:
        raise UsageError(f"--browser does not go with the runtime '{kind.name}'.", fix="Add --runtime browser.")
    offered = {"browser_path": Path(browser) if browser is not None else None, "trust": trust}
    return {name: value for name, value in offered.items() if name in kind.options}


def _persons_on(
    photo: NDArray[np.uint8], engine: Runtime, head: PoseHead, confidence: float, iou: float
) -> list[Person]:
    images, geometry = letterbox(photo, head.image_size)
    return detect(engine.run(images), head, geometry, confidence, iou)


def _plan_pictures(photos: list[Path], output: Path | None, force: bool) -> list[Path | None]:
    """Name the picture of each photo, refusing before any work what could not be written after it."""
    if not photos:
        raise UsageError("No photo was given.", fix="Name at least one image file.")
    if output is None:
        return [None] * len(photos)
    is_picture_name = output.suffix.lower() in PICTURE_SUFFIXES and not output.is_dir()
    if len(photos) == 1 and not output.is_dir():
        if not is_picture_name:
            raise UsageError(f"{output} is no picture name.", fix=f"End it in one of {', '.join(PICTURE_SUFFIXES)}.")
        pictures = [output]
    elif is_picture_name:
        raise UsageError(f"{output} is one picture, but there are {len(photos)} photos.", fix="Name a directory.")
    else:
        pictures = [output / f"{photo.stem}.png" for photo in photos]
    twice = sorted({picture.name for picture in pictures if pictures.count(picture) > 1})
    if twice:
        raise UsageError(f"Several photos would be drawn as {', '.join(twice)}.", fix="Run them one after another.")
    existing = next((picture for picture in pictures if picture.exists()), None)
    if existing and not force:
        raise OutputError(f"{existing} exists already.", fix="Choose another name, or give --force to replace it.")
    overwritten = {photo.resolve() for photo in photos} & {picture.resolve() for picture in pictures}
    if overwritten:
        raise UsageError(f"{overwritten.pop()} is a photo and a picture to draw.", fix="Choose another output.")
    return list(pictures)


def _forget_new_directory(stack: ExitStack, pictures: list[Path | None]) -> None:
    """If the pictures' directory is made here and stays empty, since something failed, remove it at the end."""
    parent = pictures[0].parent if pictures[0] else None
    if parent is None or parent.exists():
        return

    def remove_if_empty() -> None:
        with suppress(OSError):
            parent.rmdir()

    stack.callback(remove_if_empty)


def _save(picture: NDArray[np.uint8], path: Path) -> None:
    from PIL import Image

    Image.fromarray(picture).save(path, quality=_JPEG_QUALITY)
