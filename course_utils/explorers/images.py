"""Images that people bring, as arrays that an explorer can draw."""

import numpy as np
from PIL import Image

from ..arguments import numeric_array

LARGEST_NUMBER = 1e9  # of an image; sums of squares of such numbers are still numbers
COLOUR_CODES = ("P", "PA", "CMYK", "YCbCr", "LAB", "HSV")  # Pillow's, whose numbers say no colours


def as_image(image, name="image", largest=64):
    """Any image as an array that an explorer can draw, and what was done to it.

    Args:
        image: `(height, width)`, `(height, width, 1)` or `(height, width, 3)`, of any numbers.
        name: what a message calls it.
        largest: a longer side is scaled down to this many pixels.

    Returns:
        `(array, note)`: the array is float or uint8 with two or three axes, the note is empty if
        nothing was done.

    Raises:
        ValueError: it is empty, has another shape, or contains numbers that are not finite
            or above a billion.
    """
    if isinstance(image, Image.Image) and image.mode in COLOUR_CODES:
        image = image.convert("RGB")
    image = real_numbers(image, name)
    if image.ndim == 3 and image.shape[-1] == 1:
        image = image[..., 0]
    if image.ndim != 2 and image.shape[2:] != (3,):
        hint = f": leave the opacity out, {name}[..., :3]" if image.shape[2:] == (4,) else ""
        shapes = "(height, width), (height, width, 1) or (height, width, 3)"
        raise ValueError(f"{name}: the shape must be {shapes}, not {image.shape}{hint}")
    if not image.size:
        raise ValueError(f"{name}: it is empty, its shape is {image.shape}")
    if not np.isfinite(image).all():
        raise ValueError(f"{name}: it contains numbers that are not finite")
    if max(-float(image.min()), float(image.max())) > LARGEST_NUMBER:
        raise ValueError(f"{name}: it contains numbers above a billion, divide them by something")
    if image.dtype != np.uint8:
        image = image.astype(float)
    height, width = image.shape[:2]
    if max(height, width) <= largest:
        return image, ""
    share = largest / max(height, width)
    size = max(1, round(height * share)), max(1, round(width * share))
    note = f"{name}: {height}×{width} pixels were scaled to {size[0]}×{size[1]}."
    return resized(image, *size, Image.Resampling.BOX), note


def real_numbers(array, name):
    """An array of real numbers, in an explorer's words: a ValueError calls it `name`."""
    try:
        return numeric_array(array, name, finite=False)
    except ValueError:
        words = "an array of numbers is needed, with as many in each row"
        raise ValueError(f"{name}: {words}") from None


def resized(image, height, width, way):
    """An image of any numbers, with two or three axes, in another size; `way` is Pillow's."""
    planes = image[..., None] if image.ndim == 2 else image
    planes = [
        Image.fromarray(np.ascontiguousarray(plane, np.float32)).resize((width, height), way)
        for plane in np.moveaxis(planes, -1, 0)
    ]
    scaled = np.stack(planes, axis=-1).reshape(height, width, *image.shape[2:])
    if image.dtype == np.uint8:
        return np.clip(np.round(scaled), 0, 255).astype(np.uint8)
    return scaled


def middle(image, height, width):
    """The middle of an image, as much as there is in the proportions of `height` to `width`."""
    rows, columns = image.shape[:2]
    share = min(rows / height, columns / width)
    down, across = max(1, round(height * share)), max(1, round(width * share))
    top, left = (rows - down) // 2, (columns - across) // 2
    return image[top : top + down, left : left + across]
