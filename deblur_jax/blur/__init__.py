"""Making blurred pictures: Algorithm 1, a shaking camera, two plain filters, and a sensor.

`blur_picture` blurs one picture by a method's name; the rest are the pure functions behind it,
for `jit` and `vmap`. No module here needs TensorFlow.
"""

from deblur_jax.blur.apply import convolve, official_blur, trajectory_blur
from deblur_jax.blur.camera import camera_blur
from deblur_jax.blur.filters import gaussian, median
from deblur_jax.blur.light import LIGHTS, to_light, to_stored
from deblur_jax.blur.picture import METHODS, blur_picture
from deblur_jax.blur.psf import rasterize
from deblur_jax.blur.sensor import jpeg, noise, quantize
from deblur_jax.blur.trajectory import CONSTANTS, centre, sample_trajectory

__all__ = [
    "CONSTANTS",
    "LIGHTS",
    "METHODS",
    "blur_picture",
    "camera_blur",
    "centre",
    "convolve",
    "gaussian",
    "jpeg",
    "median",
    "noise",
    "official_blur",
    "quantize",
    "rasterize",
    "sample_trajectory",
    "to_light",
    "to_stored",
    "trajectory_blur",
]
