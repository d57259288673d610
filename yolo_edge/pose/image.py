"""Reading photos the way a viewer shows them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from yolo_edge.errors import ImageError

if TYPE_CHECKING:
    from PIL import Image

_FIX = "Give a photo in a format that Pillow reads (JPEG, PNG, WebP, TIFF, BMP, …)."
_ORIENTATION = 0x0112  # the EXIF tag
_TURNED = (5, 6, 7, 8)  # its values that exchange width and height


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read an image file as 8-bit RGB.

    The EXIF orientation is applied, as browsers do. Grey, palette and CMYK images become RGB; transparent parts are
    laid over white; 16-bit grey values are divided by 257, of 16-bit colours the upper byte is taken; of an animation
    the first frame is taken. Reading takes about 10 bytes a pixel for a while; Pillow refuses more than 179 million
    pixels.

    Args:
        path: the image file.

    Returns:
        uint8 ``[H, W, 3]``, RGB, origin top left.

    Raises:
        ImageError: the file is missing, empty, damaged, too large, or not an image; the message names it.
    """
    with _opened(Path(path)) as image:
        from PIL import ImageOps

        ImageOps.exif_transpose(image, in_place=True)
        return np.ascontiguousarray(np.asarray(_to_rgb(image, Path(path)), dtype=np.uint8))


def image_size(path: Path) -> tuple[int, int]:
    """Return height and width of the upright image, pixels, from the file's header alone.

    Raises:
        ImageError: as :func:`read_image`, but damage behind the header is not found.
    """
    with _opened(Path(path)) as image:
        is_turned = image.getexif().get(_ORIENTATION) in _TURNED
        return (image.width, image.height) if is_turned else (image.height, image.width)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open an image, and explain whatever Pillow says about it inside the block."""
    from PIL import Image

    if not path.exists():
        raise ImageError(f"The image {path} does not exist.", fix="Check the path.")
    if not path.is_file():
        raise ImageError(f"{path} is not an image file.", fix="Give image files, not directories.")
    try:
        if path.stat().st_size == 0:
            raise ImageError(f"The image {path} is empty.", fix=_FIX)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # too large is twice that, an error
            opened = Image.open(path)
        with opened as image:
            yield image
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(f"The image {path} is too large: {error}", fix="Scale it down first.") from error
    except Exception as error:  # Pillow's decoders answer damaged files with nearly every kind of exception
        raise ImageError(f"{path} cannot be read as an image ({_reason(error, path)}).", fix=_FIX) from error


def _reason(error: Exception, path: Path) -> str:
    """Pillow's own words, without the path that the message has already."""
    text = str(error) or type(error).__name__
    return "not a known image format" if str(path) in text else text.rstrip(".")


def _to_rgb(image: Image.Image, path: Path) -> Image.Image:
    from PIL import Image

    if image.mode == "F":
        raise ImageError(
            f"The image {path} holds floating-point values, whose range is not known.", fix="Save it with 8 or 16 bits."
        )
    if image.mode.startswith("I"):  # "I;16" and its byte orders, or "I": 16-bit grey values kept in 32 bits
        values = np.asarray(image).astype(np.int64).clip(0, 65535)
        return Image.fromarray((values // 257).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")  # convert copies what is RGB already
