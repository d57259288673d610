import json

import numpy as np
import pytest
from PIL import Image

from tests.runtime import tiny
from tests.runtime.tiny_pose import write_pose_onnx
from yolo_edge.errors import ImageError, InputError, ModelError, OutputError, UsageError
from yolo_edge.verbs.predict import predict


@pytest.fixture
def model(tmp_path):
    return write_pose_onnx(tmp_path / "pose.onnx")


def make_photo(path, width=128, height=128):
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", (width, height), (90, 90, 90)).save(path)
    return path


def test_persons_are_given_in_pixels_of_the_photo(model, tmp_path):
    photo = make_photo(tmp_path / "wide.png", 256, 128)  # scale 1/4, 16 px of padding above and below
    result = predict(model, [photo])
    (image,) = result.images
    (person,) = image.persons
    assert result.runtime == "onnx" and image.picture is None and image.seconds > 0
    assert person.score == pytest.approx(0.9) and person.class_index == 0
    assert np.allclose(person.box, [64, 0, 192, 128]), "clipped to the photo above and below"
    assert np.allclose(person.keypoints[8], [128, 64, 1])


def test_the_picture_shows_the_skeleton_and_the_json_is_json(model, tmp_path):
    photo, out = make_photo(tmp_path / "a.png"), tmp_path / "new" / "out.png"
    result = predict(str(model), [str(photo)], output=str(out))
    drawn = np.asarray(Image.open(out))
    assert drawn.shape == (128, 128, 3) and (drawn[60:68, 60:68] != 90).any()
    document = json.loads(json.dumps(result.to_json()))
    (person,) = document["images"][0]["persons"]
    assert person["class"] == "person" and len(person["keypoints"]) == 17 == len(document["keypoint_names"])
    assert document["images"][0]["picture"] == str(out)


def test_several_photos_become_a_directory(model, tmp_path):
    photos = [make_photo(tmp_path / "a.png"), make_photo(tmp_path / "b.jpg", 64, 80)]
    result = predict(model, photos, output=tmp_path / "drawn")
    assert [image.picture for image in result.images] == [tmp_path / "drawn" / "a.png", tmp_path / "drawn" / "b.png"]
    assert Image.open(tmp_path / "drawn" / "b.png").size == (64, 80)


def test_existing_pictures_need_force(model, tmp_path):
    photo, out = make_photo(tmp_path / "a.png"), tmp_path / "out.png"
    out.write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists already"):
        predict(model, [photo], output=out)
    assert out.read_bytes() == b"mine"
    predict(model, [photo], output=out, force=True)
    assert Image.open(out).size == (128, 128)


def test_a_bad_photo_leaves_nothing_behind(model, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_text("no picture")
    with pytest.raises(ImageError, match=r"bad\.png"):
        predict(model, [make_photo(tmp_path / "a.png"), bad], output=tmp_path / "drawn")
    assert not (tmp_path / "drawn").exists()


def test_a_photo_before_the_model_is_told_the_order(model, tmp_path):
    photo, directory = make_photo(tmp_path / "bus.jpg"), tmp_path / "model"
    directory.mkdir()
    for given in (model, directory):
        with pytest.raises(UsageError, match=r"bus\.jpg is a photo") as raised:
            predict(photo, [given])
        assert raised.value.fix.endswith(f"yolo-edge predict {given} {photo}")
    other = make_photo(tmp_path / "my bus.jpg")
    with pytest.raises(UsageError, match="is a photo") as raised:
        predict(photo, [other, model])
    assert raised.value.fix.endswith(f"yolo-edge predict {model} {photo} '{other}'"), "to be pasted into a shell"
    with pytest.raises(UsageError, match="is a photo") as raised:
        predict(photo, [other])
    assert raised.value.fix.endswith("yolo-edge predict MODEL PHOTO..."), "there is no model to put in front"


def test_options_that_do_not_go_together(model, tmp_path):
    photo = make_photo(tmp_path / "a.png")
    twin = make_photo(tmp_path / "twin" / "a.png")
    with pytest.raises(UsageError, match="one picture, but there are 2 photos"):
        predict(model, [photo, twin], output=tmp_path / "out.png")
    with pytest.raises(UsageError, match=r"Several photos would be drawn as a\.png"):
        predict(model, [photo, twin], output=tmp_path / "drawn")
    with pytest.raises(UsageError, match="no picture name"):
        predict(model, [photo], output=tmp_path / "out.pdf")
    with pytest.raises(UsageError, match="is a photo and a picture"):
        predict(model, [photo], output=photo, force=True)
    with pytest.raises(UsageError, match="--browser does not go with"):
        predict(model, [photo], browser="/usr/bin/chromium")
    with pytest.raises(UsageError, match="Choose one of: onnx"):
        predict(model, [photo], runtime="node")
    with pytest.raises(UsageError, match="No photo"):
        predict(model, [])
    with pytest.raises(UsageError, match="confidence is 7"):
        predict(model, [photo], confidence=7)


def test_models_that_are_none(tmp_path):
    photo = make_photo(tmp_path / "a.png")
    with pytest.raises(InputError, match="nowhere"):
        predict("nowhere", [photo])
    (tmp_path / "broken.onnx").write_text("no model")
    with pytest.raises(ModelError, match=r"broken\.onnx"):
        predict(tmp_path / "broken.onnx", [photo])
    foreign = tiny.write_graph_model(tmp_path / "foreign")
    with pytest.raises(ModelError, match="foreign"):
        predict(foreign, [photo])
