"""Views of each labelled photo: ``python -m benchmarks.views person_keypoints.json -o views [--moved]``.

AP on few photos moves by a point between quantizations that differ by nothing; more photos would tell more, and views
of the same ones tell a little more. Writes a folder with ``person_keypoints.json`` and ``images/``: each photo as it
is, mirrored, and shrunk to 0.7, 0.8 (mirrored) and 0.6 of its size on a grey ground. Areas shrink with the persons, so
that what counts as near does too.

``--moved``: each photo as it is, but moved by a few whole pixels within the grey border of the model's input, up and
down or left and right, where it has one. Nothing is scaled, so the model sees the same pixels at other places.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from yolo_edge.pose.image import read_image

MIRRORED = (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15)
"""Place of each of COCO's 17 keypoints on the other side of the body."""
GREY = 114
"""What a letterbox is filled with."""


@dataclass(frozen=True)
class View:
    """How a photo is changed.

    Attributes:
        is_mirrored: whether left and right change places.
        size: of the photo on the canvas, which keeps the size it had.
        place: where it lies on the canvas, 0 at the left and top, 1 at the right and bottom.
        moved: pixels by which the letterbox will move the photo along its short side. The canvas grows by twice as
            many on one side, as far as the short side stays the short one, since the letterbox puts it in the middle.
    """

    is_mirrored: bool = False
    size: float = 1.0
    place: tuple[float, float] = (0.0, 0.0)
    moved: int = 0

    def border(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Pixels by which the canvas grows at the top, bottom, left and right."""
        free = abs(width - height)
        grown = min(2 * abs(self.moved), free - free % 2)
        sides = (grown, 0) if self.moved > 0 else (0, grown)
        return (*sides, 0, 0) if width > height else (0, 0, *sides)

    def offset(self, width: int, height: int) -> np.ndarray:
        """Left and top of the photo on the canvas, whole pixels."""
        free = np.array([width - round(width * self.size), height - round(height * self.size)])
        top, _, left, _ = self.border(width, height)
        return np.floor(free * self.place) + np.array([left, top])

    def image(self, image: np.ndarray) -> np.ndarray:
        """The view of a photo, uint8 ``[H, W, 3]``."""
        height, width = image.shape[:2]
        pixels = np.ascontiguousarray(image[:, ::-1] if self.is_mirrored else image)
        if self.size == 1:
            return cv2.copyMakeBorder(
                pixels, *self.border(width, height), cv2.BORDER_CONSTANT, value=(GREY, GREY, GREY)
            )
        shrunk = (round(width * self.size), round(height * self.size))
        canvas = np.full_like(pixels, GREY)
        left, top = self.offset(width, height).astype(int)
        canvas[top : top + shrunk[1], left : left + shrunk[0]] = cv2.resize(
            pixels, shrunk, interpolation=cv2.INTER_AREA
        )
        return canvas

    def label(self, label: dict[str, Any], width: int, height: int) -> dict[str, Any]:
        """A COCO annotation in the view."""
        points, box = np.array(label["keypoints"], float).reshape(-1, 3), np.array(label["bbox"], float)
        if self.is_mirrored:
            points[:, 0] = width - 1 - points[:, 0]
            points = points[list(MIRRORED)]
            box[0] = width - box[0] - box[2]
        offset = self.offset(width, height)
        points[:, :2] = np.where(points[:, 2:] > 0, points[:, :2] * self.size + offset, 0)
        place = [*(box[:2] * self.size + offset), *(box[2:] * self.size)]
        rest = {name: value for name, value in label.items() if name != "segmentation"}
        return {**rest, "keypoints": points.ravel().tolist(), "bbox": place, "area": label["area"] * self.size**2}


VIEWS = (
    View(),
    View(is_mirrored=True),
    View(size=0.7),
    View(is_mirrored=True, size=0.8, place=(1.0, 1.0)),
    View(size=0.6, place=(0.5, 0.5)),
)


MOVED = tuple(View(moved=pixels) for pixels in (-8, -4, -2, -1, 1, 2, 4, 8))


def write_views(labels: Path, folder: Path, views: Sequence[View] = VIEWS) -> Path:
    """Write views of all photos with a labelled person; returns their labels."""
    document = json.loads(labels.read_text())
    by_photo: dict[int, list[dict[str, Any]]] = {}
    for label in document["annotations"]:
        by_photo.setdefault(label["image_id"], []).append(label)
    (folder / "images").mkdir(parents=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for entry in document["images"]:
        persons = by_photo.get(entry["id"], [])
        if not any(label["num_keypoints"] for label in persons):
            continue
        name = Path(entry["file_name"]).name
        image = read_image(labels.parent / "images" / name)
        height, width = image.shape[:2]
        for place, view in enumerate(views):
            key = len(images) + 1
            file = f"{Path(name).stem}-{place}.png"
            pixels = view.image(image)
            cv2.imwrite(str(folder / "images" / file), pixels[:, :, ::-1])
            images.append({**entry, "id": key, "file_name": file, "height": pixels.shape[0], "width": pixels.shape[1]})
            for label in persons:
                moved = view.label(label, width, height)
                annotations.append({**moved, "id": len(annotations) + 1, "image_id": key})
    path = folder / "person_keypoints.json"
    path.write_text(json.dumps({**document, "images": images, "annotations": annotations}))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", type=Path, help="COCO keypoint json, photos in images/ beside it")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a new folder")
    parser.add_argument("--moved", action="store_true", help="as they are, moved by a few pixels")
    given = parser.parse_args()
    print(write_views(given.labels, given.output, MOVED if given.moved else VIEWS))


if __name__ == "__main__":
    main()
