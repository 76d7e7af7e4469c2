"""Draw the pictures of the simulated devices: small scenes, really decodable JPEGs."""

from __future__ import annotations

import functools
import io
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

Painter = Callable[["ImageDraw", int, int, random.Random], None]


@functools.lru_cache(maxsize=32)
def draw(scene: str, width: int = 640, height: int = 360, *, seed: int = 0, size: int = 0) -> bytes:
    """
    A JPEG of *scene*: ``face``, ``person``, ``car``, ``plate`` or ``yard``.

    :param size: how many bytes it should have at least; real sensors are noisy, and so
        is the drawing until it is about that large.  0 means as small as it gets.
    """
    from PIL import Image, ImageDraw

    dice = random.Random(f"{scene}-{seed}")  # noqa: S311 - a drawing, not a secret
    picture = Image.new("RGB", (width, height), (96, 112, 120))
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, height * 2 // 3, width, height), fill=(84, 84, 80))
    _PAINTERS[scene](pen, width, height, dice)
    data = _jpeg(picture, 80)
    if len(data) >= size:
        return data
    noise = Image.frombytes("L", (width, height), dice.randbytes(width * height)).convert("RGB")
    grainy = Image.blend(picture, noise, 0.12)
    return next((data for q in range(50, 100, 2) if len(data := _jpeg(grainy, q)) >= size), data)


def _jpeg(picture: object, quality: int) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)  # type: ignore[attr-defined]
    return out.getvalue()


def _face(pen: ImageDraw, width: int, height: int, dice: random.Random) -> None:
    x, y, r = width // 2 + dice.randint(-8, 8), height // 2, min(width, height) // 3
    pen.ellipse((x - r * 3 // 4, y - r, x + r * 3 // 4, y + r), fill=(214, 172, 140))
    for side in (-1, 1):
        pen.ellipse(
            (x + side * r // 3 - 6, y - r // 4 - 4, x + side * r // 3 + 6, y - r // 4 + 4), fill=(40, 30, 30)
        )
    pen.arc((x - r // 3, y, x + r // 3, y + r // 2), 20, 160, fill=(120, 40, 40), width=3)


def _person(pen: ImageDraw, width: int, height: int, dice: random.Random) -> None:
    x, y, r = width // 2 + dice.randint(-20, 20), height // 3, height // 14
    coat = (dice.randint(20, 120), dice.randint(20, 120), dice.randint(60, 160))
    pen.ellipse((x - r, y - r, x + r, y + r), fill=(214, 172, 140))
    pen.rectangle((x - r * 3 // 2, y + r, x + r * 3 // 2, y + r * 5), fill=coat)
    pen.rectangle((x - r, y + r * 5, x + r, y + r * 8), fill=(40, 44, 60))


def _car(pen: ImageDraw, width: int, height: int, dice: random.Random) -> None:
    w, h = width // 2, height // 5
    x, y = width // 4, height // 2
    body = (dice.randint(60, 220), dice.randint(30, 90), dice.randint(30, 90))
    pen.rectangle((x, y, x + w, y + h), fill=body)
    pen.polygon(
        [(x + w // 5, y), (x + w // 3, y - h), (x + w * 2 // 3, y - h), (x + w * 4 // 5, y)], fill=body
    )
    for wheel in (x + w // 5, x + w * 4 // 5):
        pen.ellipse((wheel - h // 3, y + h * 2 // 3, wheel + h // 3, y + h * 4 // 3), fill=(20, 20, 20))
    pen.rectangle((x + w * 2 // 5, y + h // 2, x + w * 3 // 5, y + h * 3 // 4), fill=(240, 240, 240))


def _plate(pen: ImageDraw, width: int, height: int, dice: random.Random) -> None:
    pen.rectangle((0, 0, width, height), fill=(240, 240, 236), outline=(20, 20, 20), width=3)
    for column in range(7):
        x = width * (column + 1) // 9
        pen.rectangle((x, height // 4, x + width // 14, height * 3 // 4), fill=(16, 16, dice.randint(16, 90)))


def _yard(pen: ImageDraw, width: int, height: int, dice: random.Random) -> None:
    for _ in range(6):
        x = dice.randint(0, width)
        pen.rectangle(
            (x, height // 4, x + width // 12, height * 2 // 3), fill=(70, dice.randint(70, 110), 70)
        )


_PAINTERS: dict[str, Painter] = {
    "face": _face,
    "person": _person,
    "car": _car,
    "plate": _plate,
    "yard": _yard,
}
