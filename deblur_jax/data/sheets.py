"""A sheet of pairs to look at: each blurred picture beside its sharp twin, with its PSNR."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from deblur_jax.data.statistics import PSNR_MAX, measure
from deblur_jax.errors import UsageError
from deblur_jax.images.side_by_side import side_by_side

ROWS, COLUMNS = 6, 4
BETWEEN = 24  # pixels of white between pairs


def sheet(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]],
    *,
    tile: int = 128,
    rows: int = ROWS,
    columns: int = COLUMNS,
) -> np.ndarray:
    """Lays out the first rows x columns pairs, left to right, then top to bottom.

    Args:
      pairs: (blurred, sharp), uint8[H, W, 3] each; larger ones show their middle, at full
        resolution, so that blur is not shrunk away.
      tile: side of each picture on the sheet in pixels.
      rows, columns: of pairs; rows that would be empty are left out.

    Returns:
      uint8[height, width, 3]; captions over the blurred pictures give the PSNR of the whole pair.

    Raises:
      UsageError: no pairs, or a picture smaller than a tile.
    """
    if not pairs:
        raise UsageError("a sheet needs at least one pair")
    shown = [_panel(blurred, sharp, tile) for blurred, sharp in pairs[: rows * columns]]
    height, width = shown[0].shape[:2]
    used = -(-len(shown) // columns)
    columns = min(columns, len(shown))
    size = (columns * (width + BETWEEN) - BETWEEN, used * (height + BETWEEN) - BETWEEN)
    paper = Image.new("RGB", size, (255, 255, 255))
    for index, panel in enumerate(shown):
        row, column = divmod(index, columns)
        paper.paste(Image.fromarray(panel), (column * (width + BETWEEN), row * (height + BETWEEN)))
    return np.array(paper)


def _panel(blurred: np.ndarray, sharp: np.ndarray, tile: int) -> np.ndarray:
    psnr = measure(blurred, sharp)["psnr"]
    caption = "equal" if psnr >= PSNR_MAX else f"{psnr:.2f} dB"
    return side_by_side({caption: _middle(blurred, tile), "sharp": _middle(sharp, tile)})


def _middle(picture: np.ndarray, tile: int) -> np.ndarray:
    height, width = picture.shape[:2]
    if min(height, width) < tile:
        raise UsageError(f"a picture of {width}x{height} pixels cannot fill a tile of {tile}")
    top, left = (height - tile) // 2, (width - tile) // 2
    return picture[top : top + tile, left : left + tile]
