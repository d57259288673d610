"""Synthetic persons and labels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from yolo_edge.photos.benchmark import PersonLabel
from yolo_edge.pose.decode import Person
from yolo_edge.validation.agreement import Agreement
from yolo_edge.validation.bootstrap import Estimate


def make_person(left=0.0, top=0.0, *, score=0.9, side=100.0, shift=0.0, visible=True, class_index=0):
    """A person whose keypoints lie on the diagonal of its box, moved by ``shift`` pixels."""
    steps = np.linspace(0.1, 0.9, 17) * side
    keypoints = np.stack([left + steps + shift, top + steps + shift, np.full(17, 1.0 if visible else 0.1)], axis=1)
    return Person(np.array([left, top, left + side, top + side]), score, class_index, keypoints)


def make_agreement(similarity: float | None, *, persons=10, lost=0, invented=0) -> Agreement:
    """An agreement of which the similarity alone is known."""
    figure = None if similarity is None else Estimate(similarity, similarity, similarity, persons)
    nothing = dict.fromkeys(
        ("similarity_p5", "lost_share", "invented_share", "displacement", "score_drift", "score_change")
    )
    return Agreement(
        persons=persons,
        lost=lost,
        invented=invented,
        similarity=figure,
        seen_similarity=figure,
        keypoints=(),
        by_photo={},
        **nothing,
    )


def label_of(person: Person, photo: int, *, is_crowd=False, labelled=17) -> PersonLabel:
    """The label that a person matches perfectly."""
    left, top, right, bottom = person.box.tolist()
    keypoints = person.keypoints.copy()
    keypoints[:, 2] = [2.0] * labelled + [0.0] * (17 - labelled)
    box = (left, top, right - left, bottom - top)
    return PersonLabel(photo, tuple(keypoints.ravel().tolist()), box, float(box[2] * box[3] * 0.53), is_crowd)


def random_scene(random: np.random.Generator, photos: int):
    """Labels, and persons that a fair model would find: some missed, some moved, some made up."""
    labels, found = [], {}
    for photo in range(1, photos + 1):
        found[photo] = []
        for index in range(int(random.integers(1, 5))):
            truth = make_person(150 * index, 40, side=float(random.uniform(40, 140)))
            kind = {
                "is_crowd": bool(random.random() < 0.1),
                "labelled": int(random.choice([0, 9, 17], p=[0.1, 0.2, 0.7])),
            }
            labels.append(label_of(truth, photo, **kind))
            if random.random() < 0.8:
                seen = make_person(150 * index, 40, side=truth.box[2] - truth.box[0], shift=float(random.normal(0, 4)))
                found[photo].append(Person(seen.box, float(random.random()), 0, seen.keypoints))
        if random.random() < 0.4:
            found[photo].append(make_person(900, 300, score=float(random.random())))
    return labels, found


def write_coco(path: Path, photos: dict[int, str], labels: list[PersonLabel]) -> Path:
    """A COCO file in the usual form."""
    rows = [
        {
            "id": index,
            "image_id": label.photo,
            "category_id": 1,
            "keypoints": list(label.keypoints),
            "num_keypoints": label.labelled_keypoints,
            "bbox": list(label.box),
            "area": label.area,
            "iscrowd": int(label.is_crowd),
        }
        for index, label in enumerate(labels)
    ]
    images = [{"id": key, "file_name": name} for key, name in photos.items()]
    categories = [{"id": 1, "name": "person"}]
    path.write_text(json.dumps({"images": images, "annotations": rows, "categories": categories}))
    return path


def write_photo(path: Path, size=(64, 48)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (120, 130, 140)).save(path)
    return path
