"""Blurring one whole picture of any size by the name of a method."""

import functools
from typing import Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np

from deblur_jax.blur import apply, camera, filters, motion, psf, trajectory
from deblur_jax.errors import UsageError

Array = jax.Array
Method = Literal["trajectory", "camera", "gaussian", "median"]
METHODS: tuple[Method, ...] = get_args(Method)
# Pixels; each blurs a photograph of about 1000 pixels visibly. The report's study has 5, 9, 13.
DEFAULT_KERNEL_SIZE: dict[str, int] = {"trajectory": 31, "camera": 25, "gaussian": 9, "median": 9}
# Pixels, an eighth of a 4K frame's width. Larger ones take minutes to compile, and then the memory.
MAX_KERNEL_SIZE = 511

# The authors' arc length and canvas (generate_trajectory.py), p_s (generate_PSF.py) and the
# exposures their blur_image.py chooses from.
_OFFICIAL_LENGTH = 60.0
_OFFICIAL_CANVAS = 64
_OFFICIAL_EXPL = 0.005
_OFFICIAL_EXPOSURES = (0.1, 0.5, 1.0)
_STEP_MAX = 1.5  # pixels between sub-frames


def blur_picture(
    image: np.ndarray,
    method: str,
    *,
    kernel_size: int | None = None,
    seed: int = 0,
    compat: str | None = None,
) -> np.ndarray:
    """Blurs a picture; the same arguments give the same bits.

    Args:
      image: uint8[H, W, 3], any size.
      method: `trajectory` convolves with a path of Algorithm 1, `camera` shakes a camera (blur
        that varies over the picture), `gaussian` and `median` are plain filters.
      kernel_size: pixels; the side of the trajectory's kernel, the camera's longest streak, the
        filter's (odd) window. None takes DEFAULT_KERNEL_SIZE.
      seed: decides the trajectory or the camera's path; the filters ignore it.
      compat: `official` blurs as the authors' code does (`trajectory` only): a kernel of 64
        pixels, stretched values, dark borders.

    Returns:
      uint8[H, W, 3].

    Raises:
      UsageError: an unknown method or compat, a kernel size that the method cannot have, or (for
        `official`) a picture smaller than the kernel.
    """
    if method not in METHODS:
        raise UsageError(f"method must be one of {', '.join(METHODS)}, not {method!r}")
    if compat not in (None, "official") or (compat and method != "trajectory"):
        raise UsageError(
            f"compat can only be 'official', and only with the method trajectory, not {compat!r} "
            f"with {method}"
        )
    if kernel_size is not None and kernel_size < 1:
        raise UsageError(f"kernel size must be at least 1, not {kernel_size}")
    if kernel_size is not None and kernel_size > MAX_KERNEL_SIZE:
        raise UsageError(f"kernel size must be at most {MAX_KERNEL_SIZE}, not {kernel_size}")
    if compat == "official":
        size = _OFFICIAL_CANVAS if kernel_size is None else kernel_size
        return _to_bytes(_official(jax.random.key(seed), jnp.asarray(image), size))
    size = DEFAULT_KERNEL_SIZE[method] if kernel_size is None else kernel_size
    if method == "gaussian":
        return np.asarray(filters.gaussian(jnp.asarray(image), size))
    if method == "median":
        return np.asarray(filters.median(jnp.asarray(image), size))
    if size < 3:
        raise UsageError(f"kernel size must be at least 3 for {method}, not {size}")
    blur = _trajectory if method == "trajectory" else _camera
    return _to_bytes(blur(jax.random.key(seed), image.astype(np.float32) / 255, size))


def trajectory_kernel(key: Array, size: int) -> Array:
    """float32[size, size]: a path of Algorithm 1, drawn so large that it just fits; sum 1."""
    path = trajectory.sample_trajectory(key, length=_OFFICIAL_LENGTH, expl=_OFFICIAL_EXPL)
    path = path - jnp.mean(path, axis=0)
    # The centroid lies on pixel size // 2, so the nearer border is (size - 1) // 2 away.
    path = path * ((size - 1) // 2) / jnp.maximum(jnp.max(jnp.abs(path)), 1e-6)
    return psf.rasterize(trajectory.centre(path, canvas=size), canvas=size)


@functools.partial(jax.jit, static_argnums=2)
def _trajectory(key: Array, light: Array, size: int) -> Array:
    return apply.convolve(light, trajectory_kernel(key, size))


@functools.partial(jax.jit, static_argnums=2)
def _camera(key: Array, light: Array, size: int) -> Array:
    extent = float(max(light.shape[:2]))
    frames = 2 * max(4, -(-size // int(2 * _STEP_MAX))) + 1
    way = motion.sample_motion(key, size, frames=frames, extent=extent, longest=True)
    padded = jnp.pad(light, [(size, size), (size, size), (0, 0)], mode="reflect")
    return camera.expose(padded, way, margin=size)


@functools.partial(jax.jit, static_argnums=2)
def _official(key: Array, image: Array, size: int) -> Array:
    """The authors' pipeline; another kernel size scales their arc length with it."""
    path_key, exposure_key = jax.random.split(key)
    length = _OFFICIAL_LENGTH * size / _OFFICIAL_CANVAS
    path = trajectory.sample_trajectory(path_key, length=length, expl=_OFFICIAL_EXPL)
    exposure = jax.random.choice(exposure_key, jnp.asarray(_OFFICIAL_EXPOSURES))
    kernel = psf.rasterize(
        trajectory.centre(path, canvas=size, rule="official"),
        canvas=size,
        exposure=exposure,
        normalize=False,
    )
    return apply.official_blur(image, kernel)


def _to_bytes(unit: Array) -> np.ndarray:
    return np.rint(np.clip(np.asarray(unit), 0.0, 1.0) * 255.0).astype(np.uint8)
