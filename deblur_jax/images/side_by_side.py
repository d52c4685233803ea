"""Several versions of one picture next to each other, each under its name."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

GAP = 8  # pixels between the panels
CAPTION = 28  # pixels of height above them
PAPER, INK = (255, 255, 255), (40, 40, 40)


def side_by_side(panels: dict[str, np.ndarray]) -> np.ndarray:
    """Lays pictures out from left to right on white.

    Args:
      panels: caption -> uint8[H, W, 3], all of one size, at least one.

    Returns:
      uint8[H + 28, n W + 8 (n - 1), 3]; the pixels of the panels are untouched.

    Raises:
      ValueError: no panels, or panels of different size.
    """
    if len({panel.shape for panel in panels.values()}) != 1:
        raise ValueError("panels of one size are needed")
    height, width = next(iter(panels.values())).shape[:2]
    size = (len(panels) * (width + GAP) - GAP, height + CAPTION)
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=16)
    for index, (caption, panel) in enumerate(panels.items()):
        left = index * (width + GAP)
        draw.text((left + 4, CAPTION / 2), caption, fill=INK, font=font, anchor="lm")
        # A caption that is wider than its panel ends where the panel does.
        draw.rectangle((left + width, 0, size[0], CAPTION), fill=PAPER)
        sheet.paste(Image.fromarray(panel), (left, CAPTION))
    return np.array(sheet)
