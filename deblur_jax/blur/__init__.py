"""Making blurred pictures: Algorithm 1, a shaking camera, and two plain filters.

`blur_picture` blurs one picture by a method's name; the rest are the pure functions behind it,
for `jit` and `vmap`. No module here needs TensorFlow.
"""

from deblur_jax.blur.apply import convolve, official_blur
from deblur_jax.blur.camera import camera_blur
from deblur_jax.blur.filters import gaussian, median
from deblur_jax.blur.picture import METHODS, blur_picture
from deblur_jax.blur.psf import rasterize
from deblur_jax.blur.trajectory import centre, sample_trajectory

__all__ = [
    "METHODS",
    "blur_picture",
    "camera_blur",
    "centre",
    "convolve",
    "gaussian",
    "median",
    "official_blur",
    "rasterize",
    "sample_trajectory",
]
