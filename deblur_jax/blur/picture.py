"""Blurring one whole picture of any size by the name of a method."""

import functools
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np

from deblur_jax.blur import apply, camera, filters, motion, psf, sensor, trajectory
from deblur_jax.blur.light import LIGHTS, Light
from deblur_jax.errors import UsageError

Array = jax.Array
Method = Literal["trajectory", "camera", "gaussian", "median"]
METHODS: tuple[Method, ...] = get_args(Method)
# Pixels; each blurs a photograph of about 1000 pixels visibly. The report's study has 5, 9, 13.
DEFAULT_KERNEL_SIZE: dict[str, int] = {"trajectory": 31, "camera": 25, "gaussian": 9, "median": 9}
# Pixels, an eighth of a 4K frame's width. Larger ones take minutes to compile, and then the memory.
MAX_KERNEL_SIZE = 511
# Options that only some methods have.
_METHODS_WITH: dict[str, tuple[str, ...]] = {
    "constants": ("trajectory",),
    "light": ("trajectory", "camera"),
    "exposure": ("trajectory", "camera"),
}
_NOISE_MAX = 255

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
    constants: str | None = None,
    light: str | None = None,
    exposure: float | None = None,
    noise: tuple[float, float] | None = None,
    jpeg: int | None = None,
    compat: str | None = None,
) -> np.ndarray:
    """Blurs a picture; the same arguments give the same bits.

    Args:
      image: uint8[H, W, 3], any size.
      method: `trajectory` convolves with a path of Algorithm 1, `camera` shakes a camera (blur
        that varies over the picture), `gaussian` and `median` are plain filters.
      kernel_size: pixels; the side of the trajectory's kernel, the camera's longest streak, the
        filter's (odd) window. None takes DEFAULT_KERNEL_SIZE.
      seed: decides the trajectory or the camera's path, and the noise; the filters ignore it.
      constants: Algorithm 1's preset, `code` (None) or `paper`; `trajectory` only.
      light: what is averaged, `stored` values (None) or the light behind them by `gamma` or
        `srgb`; `trajectory` and `camera` only.
      exposure: fraction in (0, 1] of the path during which the shutter is open, None for all of
        it; shorter is less blurred and as bright; `trajectory` and `camera` only.
      noise: standard deviations (read, shot) in grey levels, see `sensor.noise`; None for none.
      jpeg: quality from 1 to 100 of a JPEG file that the result goes through; None for none.
      compat: `official` blurs as the authors' code does (`trajectory` only): a kernel of 64
        pixels, stretched values, dark borders; only kernel size and seed can be chosen.

    Returns:
      uint8[H, W, 3].

    Raises:
      UsageError: an unknown method or compat, a kernel size that the method cannot have, an
        option that the method does not have or whose value is out of range, or (for `official`)
        a picture smaller than the kernel.
    """
    chosen = {"constants": constants, "light": light, "exposure": exposure}
    _check_method(method, compat, kernel_size)
    _check_options(method, compat, chosen | {"noise": noise, "jpeg": jpeg})
    key = jax.random.key(seed)
    if compat == "official":
        size = _OFFICIAL_CANVAS if kernel_size is None else kernel_size
        return np.asarray(sensor.quantize(_official(key, jnp.asarray(image), size)))
    size = DEFAULT_KERNEL_SIZE[method] if kernel_size is None else kernel_size
    if method in ("gaussian", "median"):
        plain = filters.gaussian if method == "gaussian" else filters.median
        blurred = plain(jnp.asarray(image), size) / jnp.float32(255)
    elif size < 3:
        raise UsageError(f"kernel size must be at least 3 for {method}, not {size}")
    else:
        unit, open_for = image.astype(np.float32) / 255, 1.0 if exposure is None else exposure
        if method == "trajectory":
            blurred = _trajectory(key, unit, open_for, size, constants or "code", light or "stored")
        else:
            blurred = _camera(key, unit, open_for, size, light or "stored")
    if noise is not None:
        # A key of its own: with and without noise, the path is the same.
        noise_key = jax.random.fold_in(key, 1)
        blurred = sensor.noise(noise_key, blurred, read=noise[0], shot=noise[1])
    rounded = np.asarray(sensor.quantize(blurred))
    return rounded if jpeg is None else sensor.jpeg(rounded, jpeg)


def trajectory_kernel(
    key: Array,
    size: int,
    *,
    constants: trajectory.Constants = "code",
    exposure: Array | float = 1.0,
) -> Array:
    """float32[size, size]: a path of Algorithm 1, drawn so large that it just fits; sum 1.

    With an exposure below one, what is drawn is that part of it, no larger than it was.
    """
    expl = _OFFICIAL_EXPL if constants == "code" else None
    path = trajectory.sample_trajectory(
        key, length=_OFFICIAL_LENGTH, constants=constants, expl=expl
    )
    weights = psf.time_weights(path.shape[0], exposure)
    exposed = path - trajectory.centroid(path, weights)
    reach = jnp.maximum(
        jnp.max(jnp.abs(path - jnp.mean(path, axis=0))),
        jnp.max(jnp.abs(exposed) * (weights > 0)[:, None]),
    )
    # The centroid lies on pixel size // 2, so the nearer border is (size - 1) // 2 away.
    exposed = exposed * ((size - 1) // 2) / jnp.maximum(reach, 1e-6)
    return psf.rasterize(exposed + size // 2, canvas=size, exposure=exposure)


@functools.partial(jax.jit, static_argnums=(3, 4, 5))
def _trajectory(
    key: Array,
    unit: Array,
    exposure: Array | float,
    size: int,
    constants: trajectory.Constants,
    light: Light,
) -> Array:
    kernel = trajectory_kernel(key, size, constants=constants, exposure=exposure)
    return apply.convolve(unit, kernel, light=light)


@functools.partial(jax.jit, static_argnums=(3, 4))
def _camera(key: Array, unit: Array, exposure: Array | float, size: int, light: Light) -> Array:
    extent = float(max(unit.shape[:2]))
    frames = 2 * max(4, -(-size // int(2 * _STEP_MAX))) + 1
    way = motion.sample_motion(
        key, size, frames=frames, extent=extent, longest=True, exposure=exposure
    )
    padded = jnp.pad(unit, [(size, size), (size, size), (0, 0)], mode="reflect")
    return camera.expose(padded, way, margin=size, light=light)


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


def _check_method(method: str, compat: str | None, kernel_size: int | None) -> None:
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


def _check_options(method: str, compat: str | None, options: dict[str, Any]) -> None:
    """Refuses options that the method does not have, and values out of range."""
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        methods = _METHODS_WITH.get(name, METHODS)
        if method not in methods:
            raise UsageError(
                f"{name} belongs to the method {' or '.join(methods)}, not to {method}"
            )
        if compat is not None:
            raise UsageError(f"{name} cannot be chosen with compat {compat!r}, which fixes it")
    for name, values in (("constants", trajectory.CONSTANTS), ("light", LIGHTS)):
        if name in given and given[name] not in values:
            raise UsageError(f"{name} must be one of {', '.join(values)}, not {given[name]!r}")
    exposure, noise, jpeg = (given.get(name) for name in ("exposure", "noise", "jpeg"))
    if exposure is not None and not 0 < exposure <= 1:
        raise UsageError(f"exposure must be a fraction above 0 and at most 1, not {exposure:g}")
    if noise is not None and not all(0 <= level <= _NOISE_MAX for level in noise):
        levels = " ".join(f"{level:g}" for level in noise)
        raise UsageError(f"noise must be from 0 to {_NOISE_MAX} grey levels each, not {levels}")
    low, high = sensor.JPEG_QUALITIES
    if jpeg is not None and not low <= jpeg <= high:
        raise UsageError(f"JPEG quality must be from {low} to {high}, not {jpeg}")
