"""Photos to judge a model on, and their labels."""

import json

import pytest

from tests.validation.persons import label_of, make_person, write_coco, write_photo
from yolo_edge.errors import InputError
from yolo_edge.validation.photos import find_test_photos


def test_a_folder_is_searched_with_its_subfolders(tmp_path):
    files = [write_photo(tmp_path / name) for name in ("b.png", "a.jpg", "deep/c.JPG")]
    (tmp_path / "notes.txt").write_text("no photo")
    found = find_test_photos(tmp_path)
    assert sorted(found.paths.values()) == sorted(files)
    assert (found.name, found.labels, found.is_builtin) == (tmp_path.name, (), False)


def test_shipped_photos_are_the_fallback():
    found = find_test_photos(None)
    assert [path.name for path in found.paths.values()] == ["bus.jpg", "zidane.jpg"] and found.is_builtin


def test_labelled_coco_gives_labelled_photos_only(tmp_path):
    for name in ("1.jpg", "2.jpg", "3.jpg"):
        write_photo(tmp_path / "images" / name)
    labels = [
        label_of(make_person(), 1),
        label_of(make_person(), 2, labelled=0),
        label_of(make_person(), 3, is_crowd=True),
    ]
    path = write_coco(tmp_path / "labels.json", {1: "1.jpg", 2: "2.jpg", 3: "3.jpg"}, labels)
    found = find_test_photos(path)
    assert found.paths == {1: tmp_path / "images" / "1.jpg"}
    assert found.labels == (labels[0],), "labels come back as they were written"


def test_coco_without_keypoints_is_a_list_of_photos(tmp_path):
    write_photo(tmp_path / "1.jpg")
    path = tmp_path / "list.json"
    path.write_text(json.dumps({"images": [{"id": 5, "file_name": "1.jpg"}], "annotations": [{"bbox": [0, 0, 1, 1]}]}))
    found = find_test_photos(path)
    assert found.paths == {5: tmp_path / "1.jpg"} and found.labels == ()


def test_unreadable_photos_are_skipped(tmp_path):
    good = write_photo(tmp_path / "good.jpg")
    (tmp_path / "bad.jpg").write_bytes(b"no jpeg")
    assert list(find_test_photos(tmp_path).paths.values()) == [good]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is damaged"),
        ("[]", "lists no images"),
        ('{"images": [{"id": "x", "file_name": "a.jpg"}]}', "without a whole-number id"),
        (
            '{"images": [], "annotations": [{"id": 4, "keypoints": [1, 2, 2]}]}',
            "annotation 4 has a wrong or missing field",
        ),
        ('{"images": [{"id": 1, "file_name": "gone.jpg"}]}', "holds no photos that can be read"),
    ],
)
def test_damaged_coco_files_are_named(tmp_path, content, message):
    path = tmp_path / "labels.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message) as error:
        find_test_photos(path)
    assert "labels.json" in str(error.value) and error.value.fix


def test_places_without_photos_are_refused(tmp_path):
    with pytest.raises(InputError, match="holds no photos that can be read"):
        find_test_photos(tmp_path)
    with pytest.raises(InputError, match="There are no photos at"):
        find_test_photos(tmp_path / "nowhere")
    with pytest.raises(InputError, match="cannot be read"):
        find_test_photos(tmp_path / "nowhere.json")
