"""Average precision is pycocotools' own, and the interval of its loss is a bootstrap over photos."""

import builtins
import contextlib
import io
import json

import numpy as np
import pytest

from tests.validation.persons import label_of, make_person, random_scene, write_coco
from yolo_edge.errors import InputError, MissingComponentError, UsageError
from yolo_edge.pose.decode import Person
from yolo_edge.validation.bootstrap import Resamples
from yolo_edge.validation.coco import evaluate_keypoints, measure_accuracy, measure_loss


def coco_summary(path, found):
    """AP as pycocotools computes it from files, the usual way."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    rows = [
        {
            "image_id": photo,
            "category_id": 1,
            "keypoints": np.asarray(person.keypoints).ravel().tolist(),
            "score": person.score,
        }
        for photo, persons in found.items()
        for person in persons
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(path))
        evaluation = COCOeval(truth, truth.loadRes(rows), "keypoints")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats[0]


@pytest.mark.parametrize("seed", range(4))
def test_precision_is_that_of_pycocotools(tmp_path, seed):
    labels, found = random_scene(np.random.default_rng(seed), photos=12)
    path = write_coco(tmp_path / "labels.json", {photo: f"{photo}.jpg" for photo in found}, labels)
    document = json.loads(path.read_text())
    for row in document["annotations"]:
        row["id"] += 1  # pycocotools takes a match with label 0 for none
    path.write_text(json.dumps(document))
    expected = coco_summary(path, found)
    assert 0.1 < expected < 0.99
    assert evaluate_keypoints(labels, found).average_precision() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_every_figure_is_that_of_faster_coco_eval(tmp_path, seed):
    """An implementation that shares no code with pycocotools' Python part."""
    from faster_coco_eval import COCO, COCOeval_faster

    labels, found = random_scene(np.random.default_rng(seed), photos=20)
    truth = COCO(str(write_coco(tmp_path / "labels.json", {photo: f"{photo}.jpg" for photo in found}, labels)))
    for row in truth.dataset["annotations"]:
        row["id"] += 1
    truth.createIndex()
    rows = [
        {"image_id": photo, "category_id": 1, "keypoints": person.keypoints.ravel().tolist(), "score": person.score}
        for photo, persons in found.items()
        for person in persons
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval_faster(truth, truth.loadRes(rows), iouType="keypoints")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    expected = [evaluation.stats[index] for index in (0, 1, 2, 5)]
    assert evaluate_keypoints(labels, found).figures() == pytest.approx(expected, abs=1e-9)


def test_the_loss_of_each_figure_has_an_interval():
    labels, found = random_scene(np.random.default_rng(3), photos=12)
    worse = {photo: persons[:-1] for photo, persons in found.items()}
    reference, other = evaluate_keypoints(labels, found), evaluate_keypoints(labels, worse)
    results = measure_accuracy(reference, other, Resamples(12), list(found))
    assert [entry.name for entry in results] == ["AP", "AP50", "AP75", "AR"]
    for entry in results:
        assert entry.loss.value == pytest.approx(100 * (entry.reference - entry.variant))
        assert entry.loss.low <= entry.loss.value <= entry.loss.high
    assert results[3].loss.value > 0
    same = measure_accuracy(reference, reference, Resamples(12), list(found))
    assert all((entry.loss.low, entry.loss.high) == (0, 0) for entry in same)
    with pytest.raises(UsageError, match="different photos"):
        measure_accuracy(reference, evaluate_keypoints(labels, {1: found[1]}), Resamples(12), list(found))


def test_weights_are_repetitions():
    labels, found = random_scene(np.random.default_rng(5), photos=4)
    weights = np.array([2, 0, 1, 3])
    repeated_labels, repeated_found, key = [], {}, 100
    for photo, times in zip(sorted(found), weights, strict=True):
        for _ in range(times):
            repeated_found[key] = found[photo]
            repeated_labels += [
                type(label)(key, label.keypoints, label.box, label.area, label.is_crowd)
                for label in labels
                if label.photo == photo
            ]
            key += 1
    expected = evaluate_keypoints(repeated_labels, repeated_found).average_precision()
    assert evaluate_keypoints(labels, found).average_precision(weights) == pytest.approx(expected, abs=1e-12)


def test_nothing_found_is_0_and_everything_1():
    person = make_person()
    labels = [label_of(person, 1), label_of(person, 2)]
    assert evaluate_keypoints(labels, {1: [], 2: []}).average_precision() == 0
    assert evaluate_keypoints(labels, {1: [person], 2: [person]}).average_precision() == pytest.approx(1)
    assert evaluate_keypoints(labels, {1: [person], 2: []}).average_precision() == pytest.approx(51 / 101)


def worse(found, random, share=0.3):
    """The same persons, some of them moved."""

    def maybe_moved(person):
        keypoints = person.keypoints.copy()
        if random.random() < share:
            keypoints[:, :2] += 12
        return Person(person.box, person.score, 0, keypoints)

    return {photo: [maybe_moved(person) for person in persons] for photo, persons in found.items()}


def test_loss_of_the_same_persons_is_0_for_sure():
    labels, found = random_scene(np.random.default_rng(1), photos=8)
    same = evaluate_keypoints(labels, found)
    loss = measure_loss(same, same, rounds=50)
    assert (loss.points, loss.low, loss.high) == (0, 0, 0)


def test_interval_holds_the_loss_and_narrows_with_more_photos():
    widths = []
    for photos in (10, 160):
        labels, found = random_scene(np.random.default_rng(2), photos)
        reference = evaluate_keypoints(labels, found)
        other = evaluate_keypoints(labels, worse(found, np.random.default_rng(3)))
        loss = measure_loss(reference, other, rounds=200)
        assert loss == measure_loss(reference, other, rounds=200), "the same seed gives the same interval"
        assert loss.low <= loss.points <= loss.high and loss.points > 0
        widths.append(loss.high - loss.low)
    assert widths[1] < widths[0] / 2


def test_labels_of_other_photos_are_left_out():
    person = make_person()
    labels = [label_of(person, 1), label_of(person, 99)]
    assert evaluate_keypoints(labels, {1: [person]}).average_precision() == pytest.approx(1)


def test_what_cannot_be_evaluated_is_refused():
    person = make_person()
    with pytest.raises(InputError, match="No labelled person"):
        evaluate_keypoints([label_of(person, 1, labelled=0)], {1: [person]})
    with pytest.raises(UsageError, match="17 keypoints, this model's persons have 4"):
        evaluate_keypoints([label_of(person, 1)], {1: [Person(person.box, 0.9, 0, person.keypoints[:4])]})
    one, two = (evaluate_keypoints([label_of(person, key)], {key: [person]}) for key in (1, 2))
    with pytest.raises(UsageError, match="different photos"):
        measure_loss(one, two)


def test_missing_pycocotools_is_named(monkeypatch):
    genuine = builtins.__import__

    def without(name, *arguments, **options):
        if name.startswith("pycocotools"):
            raise ImportError(name)
        return genuine(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingComponentError, match=r"pip install 'yolo-edge\[validation\]'"):
        evaluate_keypoints([label_of(make_person(), 1)], {1: [make_person()]})
