"""The scores of a restored 8-bit RGB picture against its sharp twin, each in a file of its own.

"SSIM" names incompatible numbers in this field, and a table that mixes them is worthless:

- `ssim`: 11x11 Gaussian window, each channel on its own, mean over the window's interior. What
  scikit-image gives with `gaussian_weights=True`, and the one to compare with.
- `ssim_matlab3d`: the window is an 11x11x11 Gaussian that also runs over the three channels, as
  MATLAB's `ssim` treats any array of three dimensions and as MPRNet, Restormer and NAFNet report
  it. Usually higher than `ssim`.
- `ssim_luminance`: `ssim` of the gray pictures.
- `ms_ssim`: the product over five scales, of the gray pictures.
- `cw_ssim_1d`: the wavelet measure behind the .958 of the DeblurGAN paper.

Pictures of one shape compile once. LPIPS and NIQE, which take a library of their own, stand apart
in `perceptual.py`.
"""

import numpy as np

from deblur_jax.evaluation.metrics.cw_ssim import cw_ssim_1d
from deblur_jax.evaluation.metrics.ms_ssim import ms_ssim
from deblur_jax.evaluation.metrics.psnr import psnr, psnr_of_floats
from deblur_jax.evaluation.metrics.ssim import ssim, ssim_luminance, ssim_matlab3d
from deblur_jax.evaluation.metrics.window import WINDOW

__all__ = [
    "WINDOW",
    "cw_ssim_1d",
    "ms_ssim",
    "psnr",
    "psnr_of_floats",
    "scores",
    "ssim",
    "ssim_luminance",
    "ssim_matlab3d",
]


def scores(picture: np.ndarray, reference: np.ndarray) -> dict[str, float | None]:
    """All of them by name, as they stand in `results.json`.

    Args:
      picture: uint8[H, W, 3].
      reference: uint8[H, W, 3].

    Returns:
      PSNR in dB, which may be `inf`, and the similarities, None where the picture is too small.
    """
    return {
        "psnr": psnr(picture, reference),
        "ssim": ssim(picture, reference),
        "ssim_matlab3d": ssim_matlab3d(picture, reference),
        "cw_ssim_1d": cw_ssim_1d(picture, reference),
        "ssim_luminance": ssim_luminance(picture, reference),
        "ms_ssim": ms_ssim(picture, reference),
    }
