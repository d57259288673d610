import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from yolo_edge.errors import ImageError
from yolo_edge.pose.image import image_size, read_image


def gradient(height=6, width=9):
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([rows * 20, columns * 20, rows + columns], axis=-1).astype(np.uint8)


def test_rgb_png_is_read_as_it_is(tmp_path):
    Image.fromarray(gradient()).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert image.dtype == np.uint8 and np.array_equal(image, gradient())


@pytest.mark.parametrize(
    ("orientation", "turned"),
    [
        (3, lambda a: a[::-1, ::-1]),
        (6, lambda a: np.rot90(a, -1)),
        (8, np.rot90),
        (2, lambda a: a[:, ::-1]),
    ],
)
def test_exif_orientation_is_applied(tmp_path, orientation, turned):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(gradient()).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "a.png"), turned(gradient()))


def test_grey_palette_and_16_bit_become_rgb(tmp_path):
    grey = gradient()[..., 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(grey).convert("P").save(tmp_path / "palette.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "deep.tif")
    for name in ("grey.png", "palette.png", "deep.png", "deep.tif"):
        assert np.array_equal(read_image(tmp_path / name), np.repeat(grey[..., None], 3, axis=2)), name


def test_bilevel_image(tmp_path):
    Image.fromarray(np.eye(4, dtype=bool)).save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png")[..., 1], np.eye(4) * 255)


def test_transparency_lies_over_white(tmp_path):
    layer = np.zeros((2, 3, 4), np.uint8)
    layer[0] = (10, 20, 30, 255)
    Image.fromarray(layer).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert image.shape == (2, 3, 3)
    assert (image[0] == (10, 20, 30)).all() and (image[1] == 255).all()


def test_cmyk_jpeg(tmp_path):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=95)
    red, green, blue = read_image(tmp_path / "a.jpg")[4, 4]
    assert red > 200 and green < 60 and blue < 60


@pytest.mark.parametrize(
    "content", [b"", b"hello, I am text\n", b"<!doctype html><html></html>", b"\xff\xd8\xff\xe0junk"]
)
def test_what_is_no_image_is_named(tmp_path, content):
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"photo\.jpg"):
        read_image(path)


def test_truncated_image_is_refused(tmp_path):
    path = tmp_path / "photo.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ImageError, match=r"photo\.jpg"):
        read_image(path)


def test_missing_file_directory_and_floats_are_refused(tmp_path):
    with pytest.raises(ImageError, match="does not exist"):
        read_image(tmp_path / "nowhere.png")
    with pytest.raises(ImageError, match="not an image file"):
        read_image(tmp_path)
    Image.fromarray(np.ones((2, 2), np.float32)).save(tmp_path / "f.tif")
    with pytest.raises(ImageError, match="floating-point"):
        read_image(tmp_path / "f.tif")


def test_colours_of_16_bits(tmp_path):
    import cv2

    deep = gradient().astype(np.uint16) * 257
    cv2.imwrite(str(tmp_path / "deep.png"), deep[..., ::-1])
    assert np.array_equal(read_image(tmp_path / "deep.png"), gradient())
    opaque = np.full((*deep.shape[:2], 1), 65535, np.uint16)
    cv2.imwrite(str(tmp_path / "deep-alpha.png"), np.concatenate([deep[..., ::-1], opaque], axis=2))
    assert np.array_equal(read_image(tmp_path / "deep-alpha.png"), gradient())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_size_is_that_of_the_upright_image(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(gradient()).save(tmp_path / "a.jpg", exif=exif)
    assert image_size(tmp_path / "a.jpg") == read_image(tmp_path / "a.jpg").shape[:2]


def test_size_needs_the_header_alone(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    assert image_size(path) == (200, 300)
    with pytest.raises(ImageError, match=r"a\.jpg"):
        image_size(tmp_path / "nowhere" / "a.jpg")


def test_a_photo_of_12000_pixels_is_read_in_bounded_memory(tmp_path):
    path = tmp_path / "wide.jpg"
    Image.new("RGB", (12_000, 4_000), (10, 200, 30)).save(path)
    code = f"""
import resource, sys, warnings
from pathlib import Path
from yolo_edge.pose.image import image_size, read_image
from PIL import JpegImagePlugin
warnings.simplefilter("error")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
image = read_image(Path({str(path)!r}))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(*image.shape[:2], *image[9, 9], peak * 1024 // (image.shape[0] * image.shape[1]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    height, width, *colour, bytes_a_pixel = (int(word) for word in done.stdout.split())
    assert (height, width) == (4_000, 12_000) and np.abs(np.array(colour) - (10, 200, 30)).max() < 4
    assert bytes_a_pixel < 14


def test_larger_photos_are_refused_by_their_header(tmp_path):
    Image.new("1", (14_000, 13_000)).save(tmp_path / "huge.png")
    for read in (read_image, image_size):
        with pytest.raises(ImageError, match=r"huge\.png is too large: .*182000000 pixels"):
            read(tmp_path / "huge.png")
