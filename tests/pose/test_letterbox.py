import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yolo_edge.errors import ImageError
from yolo_edge.pose.letterbox import Letterbox, letterbox

sides = st.integers(1, 5000)
inputs = st.sampled_from([(64, 64), (320, 320), (480, 640), (640, 640), (96, 32)])


def bilinear(image, size):
    """The definition: half-pixel centres, borders repeated, no antialiasing."""
    height, width = size
    axes = []
    for count, source in ((height, image.shape[0]), (width, image.shape[1])):
        position = (np.arange(count) + 0.5) * source / count - 0.5
        low = np.floor(position).astype(int)
        axes.append((np.clip(low, 0, source - 1), np.clip(low + 1, 0, source - 1), position - low))
    (y0, y1, fy), (x0, x1, fx) = axes
    fy, fx, image = fy[:, None, None], fx[None, :, None], image.astype(float)
    top = image[y0][:, x0] * (1 - fx) + image[y0][:, x1] * fx
    bottom = image[y1][:, x0] * (1 - fx) + image[y1][:, x1] * fx
    return top * (1 - fy) + bottom * fy


@pytest.mark.parametrize(
    ("source", "size"),
    [((48, 30), (64, 64)), ((200, 311), (64, 96)), ((17, 64), (64, 64)), ((64, 96), (64, 96)), ((128, 192), (64, 96))],
)
def test_pixels_follow_the_definition(source, size):
    photo = np.random.default_rng(1).integers(0, 256, (*source, 3), np.uint8)
    images, box = letterbox(photo, size)
    assert images.shape == (1, *size, 3) and images.dtype == np.float32
    expected = np.full((*size, 3), 114.0)
    (height, width), top, left = box.resized_size, box.top, box.left
    expected[top : top + height, left : left + width] = bilinear(photo, (height, width))
    assert np.abs(images[0] * 255 - expected).max() <= 1.0, "OpenCV's 8-bit bilinear is within one level"
    padding = np.ones(size, bool)
    padding[top : top + height, left : left + width] = False
    assert (images[0][padding] == np.float32(114) / np.float32(255)).all()


@given(sides, sides, inputs)
def test_geometry_is_the_rounding_of_ultralytics(height, width, size):
    box = Letterbox.fit((height, width), size)
    ratio = min(size[0] / height, size[1] / width)
    unpadded = max(round(width * ratio), 1), max(round(height * ratio), 1)
    assert box.resized_size == unpadded[::-1]
    across, down = (size[1] - unpadded[0]) / 2, (size[0] - unpadded[1]) / 2
    assert (box.left, box.top) == (round(across - 0.1), round(down - 0.1))
    assert box.left + unpadded[0] + round(across + 0.1) == size[1]
    assert box.top + unpadded[1] + round(down + 0.1) == size[0]


@given(sides, sides, inputs)
def test_points_come_back(height, width, size):
    box = Letterbox.fit((height, width), size)
    points = np.array([[0, 0], [width, height], [width / 3, height / 7], [-5, 2 * height]])
    assert np.allclose(box.to_source(box.to_input(points)), points, atol=1e-6 * max(height, width))
    corner = box.to_input(np.array([[width, height]]))[0]
    assert np.allclose(corner, (box.left + box.resized_size[1], box.top + box.resized_size[0]))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300))
def test_any_photo_fits(height, width):
    images, _ = letterbox(np.zeros((height, width, 3), np.uint8), (64, 96))
    assert images.shape == (1, 64, 96, 3)


def test_matches_ultralytics_itself():
    augment = pytest.importorskip("ultralytics.data.augment")
    photo = np.random.default_rng(2).integers(0, 256, (333, 517, 3), np.uint8)
    theirs = augment.LetterBox((480, 640), auto=False)(image=photo)
    assert np.array_equal(np.round(letterbox(photo, (480, 640))[0][0] * 255), theirs)


def test_clip_keeps_points_inside():
    box = Letterbox.fit((100, 200), (64, 64))
    assert box.clip_to_source(np.array([[-3.0, 400.0], [500.0, 7.0]])).tolist() == [[0, 100], [200, 7]]


@pytest.mark.parametrize("image", [np.zeros((4, 4)), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_other_arrays_are_refused(image):
    with pytest.raises(ImageError, match="uint8"):
        letterbox(image, (64, 64))
