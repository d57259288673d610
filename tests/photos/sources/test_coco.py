"""COCO files: which photos count, and what is damaged."""

import json

import pytest

from tests.validation.persons import label_of, make_person, write_coco, write_photo
from yolo_edge.errors import InputError
from yolo_edge.photos.benchmark import PersonLabel, find_benchmark
from yolo_edge.photos.source import find_photo_files
from yolo_edge.photos.sources.coco import parse_coco

FEET = PersonLabel(1, (10.0, 20.0, 2.0, 30.0, 40.0, 1.0), (5.0, 5.0, 40.0, 40.0), 800.0)


def write_photos(tmp_path, *names):
    return [write_photo(tmp_path / "images" / name) for name in names]


def test_labelled_photos_only(tmp_path):
    files = write_photos(tmp_path, "1.jpg", "2.jpg", "3.jpg", "4.jpg")
    labels = [
        label_of(make_person(), 1),
        label_of(make_person(), 2, labelled=0),
        label_of(make_person(), 3, is_crowd=True),
    ]
    path = write_coco(tmp_path / "labels.json", {key: f"{key}.jpg" for key in range(1, 5)}, labels)
    found = find_benchmark(path)
    assert [(photo.key, photo.name, photo.path) for photo in found.photos] == [(1, "1.jpg", files[0])]
    assert found.labels == (labels[0],), "labels come back as they were written"
    assert (found.name, found.kind, found.keypoint_count, found.skipped) == ("labels.json", "coco", 17, ())
    assert set(parse_coco(path).eligible(with_unlabelled=True)) == {1, 2, 3, 4}
    assert find_photo_files(path) == files, "labels do not matter where they are not wanted"


def test_without_keypoints_it_is_a_list_of_photos(tmp_path):
    file = write_photo(tmp_path / "1.jpg")
    path = tmp_path / "list.json"
    path.write_text(json.dumps({"images": [{"id": 5, "file_name": "1.jpg"}], "annotations": [{"bbox": [0, 0, 1, 1]}]}))
    found = find_benchmark(path)
    assert found.keys == (5,) and found.photos[0].path == file and found.labels == ()


def test_absent_photos_are_counted_named_and_skipped(tmp_path, said):
    write_photos(tmp_path, "1.jpg")
    labels = [label_of(make_person(), key) for key in range(1, 7)]
    path = write_coco(tmp_path / "labels.json", {key: f"{key}.jpg" for key in range(1, 7)}, labels)
    found = find_benchmark(path)
    assert found.keys == (1,) and [entry.name for entry in found.skipped] == [f"{key}.jpg" for key in range(2, 7)]
    assert len(said) == 1 and "Skipping 5 photos" in said[0] and "2.jpg, 3.jpg, 4.jpg, …" in said[0]
    (tmp_path / "images" / "1.jpg").unlink()
    with pytest.raises(InputError, match=r"all 6 that it lists are absent \(1.jpg, 2.jpg, 3.jpg, …\)"):
        find_benchmark(path)


def test_labels_of_unlisted_images_are_named(tmp_path, said):
    write_photos(tmp_path, "1.jpg")
    labels = [label_of(make_person(), 1), label_of(make_person(), 7), label_of(make_person(90), 7)]
    found = find_benchmark(write_coco(tmp_path / "labels.json", {1: "1.jpg"}, labels))
    assert found.labels == (labels[0],)
    assert found.skipped[0].name == "image 7" and "labels 2 persons" in found.skipped[0].reason
    assert "does not list" in said[0]


def test_labels_without_a_person_say_so(tmp_path, said):
    write_photos(tmp_path, "1.jpg", "2.jpg")
    path = write_coco(tmp_path / "labels.json", {1: "1.jpg", 2: "2.jpg"}, [label_of(make_person(), 1, labelled=0)])
    found = find_benchmark(path)
    assert found.labels == () and found.keys == (1, 2)
    assert "hold no person" in said[0]


def test_other_keypoints_are_read(tmp_path):
    write_photos(tmp_path, "1.jpg")
    found = find_benchmark(write_coco(tmp_path / "feet.json", {1: "1.jpg"}, [FEET]))
    assert found.keypoint_count == 2 and found.labels == (FEET,)


def test_the_category_person_counts_alone(tmp_path):
    write_photos(tmp_path, "1.jpg")
    path = write_coco(tmp_path / "labels.json", {1: "1.jpg"}, [FEET, label_of(make_person(), 1)])
    document = json.loads(path.read_text())
    document["annotations"][0]["category_id"] = 2
    document["categories"].append({"id": 2, "name": "dog"})
    path.write_text(json.dumps(document))
    assert find_benchmark(path).labels == (label_of(make_person(), 1),)


@pytest.mark.parametrize("told", [17, None])
def test_labels_with_other_keypoint_counts_are_refused(tmp_path, told):
    write_photos(tmp_path, "1.jpg")
    path = write_coco(tmp_path / "labels.json", {1: "1.jpg"}, [*[label_of(make_person(), 1)] * (told is None), FEET])
    document = json.loads(path.read_text())
    if told:
        document["categories"][0]["keypoints"] = [f"point {index}" for index in range(told)]
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"annotation [01] .*6 keypoint values, not 51"):
        find_benchmark(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is damaged"),
        pytest.param("[" * 100_000, "is damaged", id="nested too deep"),
        ("[]", "no description of a photo set"),
        ("{}", "lists no images"),
        ('{"images": []}', "holds no photos that can be read"),
        ('{"images": [{"id": "x", "file_name": "a.jpg"}]}', "without a whole-number id"),
        ('{"images": [{"id": 1, "file_name": "a.jpg"}, {"id": 1, "file_name": "b.jpg"}]}', "two images have the id 1"),
        ('{"images": [], "annotations": [{"id": 4, "keypoints": [1, 2, 2]}]}', "annotation 4 .*no 'bbox'"),
        (
            '{"images": [], "annotations": [{"bbox": [0, 0, 1, 1], "area": NaN, "keypoints": [1, 2, 2]}]}',
            "not a finite number",
        ),
        ('{"images": [{"id": 1, "file_name": "gone.jpg"}]}', "holds no photos that can be read: all 1"),
    ],
)
def test_damaged_files_are_named(tmp_path, content, message):
    path = tmp_path / "labels.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message) as error:
        find_benchmark(path)
    assert "labels.json" in str(error.value) and error.value.fix


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        find_benchmark(tmp_path / "nowhere.json")
