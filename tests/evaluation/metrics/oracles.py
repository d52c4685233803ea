"""The metrics once more, by scikit-image, scipy, Pillow and plain numpy, in float64."""

import numpy as np
from PIL import Image
from scipy import ndimage, signal
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

OPTIONS = {
    "gaussian_weights": True,
    "sigma": 1.5,
    "use_sample_covariance": False,
    "data_range": 255,
}
C1, C2 = 6.5025, 58.5225  # (0.01 * 255)^2 and (0.03 * 255)^2


def gray(picture: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).convert("L"))


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    with np.errstate(divide="ignore"):
        return float(peak_signal_noise_ratio(b, a, data_range=255))


def psnr_of_floats(restored: np.ndarray, reference: np.ndarray, rounding: str) -> float:
    levels = (restored + np.float32(1)) / np.float32(2) * np.float32(255)
    if rounding == "none":
        levels = (restored.astype(np.float64) + 1) / 2 * 255
    elif rounding == "round":
        levels = np.rint(levels.clip(0, 255)).astype(np.uint8)
    else:
        levels = levels.clip(0, 255).astype(np.uint8)
    return psnr(levels.astype(np.float64), reference.astype(np.float64))


def ssim(a: np.ndarray, b: np.ndarray) -> float | None:
    if min(a.shape[:2]) < 11:
        return None
    return float(structural_similarity(a, b, channel_axis=2, **OPTIONS))


def ssim_luminance(a: np.ndarray, b: np.ndarray) -> float | None:
    if min(a.shape[:2]) < 11:
        return None
    return float(structural_similarity(gray(a), gray(b), **OPTIONS))


def ssim_matlab3d(a: np.ndarray, b: np.ndarray) -> float:
    """SSIM of two volumes by scipy's Gaussian of radius 5 along all three axes."""

    def mean(volume: np.ndarray) -> np.ndarray:
        return ndimage.gaussian_filter(volume, 1.5, mode="nearest", radius=5)

    return _mean_of_ssim_map(a, b, mean)


def ssim_matlab3d_dense(a: np.ndarray, b: np.ndarray) -> float:
    """The same with one kernel of 1331 numbers."""
    x = np.arange(11) - 5
    g = np.exp(-(x**2) / (2 * 1.5**2))
    kernel = g[:, None, None] * g[None, :, None] * g[None, None, :]
    kernel /= kernel.sum()
    return _mean_of_ssim_map(a, b, lambda v: ndimage.correlate(v, kernel, mode="nearest"))


def _mean_of_ssim_map(a: np.ndarray, b: np.ndarray, mean) -> float:
    a, b = a.astype(np.float64), b.astype(np.float64)
    ma, mb = mean(a), mean(b)
    va, vb, cab = mean(a * a) - ma**2, mean(b * b) - mb**2, mean(a * b) - ma * mb
    return float(
        np.mean((2 * ma * mb + C1) * (2 * cab + C2) / ((ma**2 + mb**2 + C1) * (va + vb + C2)))
    )


def ms_ssim(a: np.ndarray, b: np.ndarray) -> float | None:
    """A dense 11x11 window by direct convolution, averages over 2x2 by scipy."""
    if min(a.shape[:2]) < 176:
        return None
    a, b = gray(a).astype(np.float64), gray(b).astype(np.float64)
    x = np.arange(11) - 5
    g = np.exp(-(x**2) / (2 * 1.5**2))
    window = np.outer(g, g) / np.outer(g, g).sum()
    box = np.full((2, 2), 0.25)
    powers: list[float] = []
    for weight in (0.0448, 0.2856, 0.3001, 0.2363, 0.1333):
        ma, mb, aa, bb, ab = (
            signal.convolve2d(m, window, "valid") for m in (a, b, a * a, b * b, a * b)
        )
        level = (2 * ma * mb + C1) / (ma**2 + mb**2 + C1)
        cs = (2 * (ab - ma * mb) + C2) / (aa - ma**2 + bb - mb**2 + C2)
        powers.append(max(np.mean(level * cs if len(powers) == 4 else cs), 0) ** weight)
        # origin -1: each pixel with the next one; mirrored outwards, edge pixel included.
        a, b = (ndimage.correlate(m, box, mode="reflect", origin=-1)[::2, ::2] for m in (a, b))
    return float(np.prod(powers))


def cw_ssim_1d(a: np.ndarray, b: np.ndarray) -> float:
    """By convolutions of the whole signal, one width at a time."""
    x, y = (gray(picture).astype(np.float64).ravel() for picture in (a, b))
    products, energies, cross = np.zeros((3, x.size))
    for width in range(1, 31):
        points = min(10 * width, x.size)
        t = np.arange(points) - (points - 1) / 2
        hat = 2 / (np.sqrt(3 * width) * np.pi**0.25)
        hat = hat * (1 - t**2 / width**2) * np.exp(-(t**2) / (2 * width**2))
        first = (points - 1) // 2
        c, d = (np.convolve(s, hat, "full")[first : first + x.size] for s in (x, y))
        products += abs(c * d)
        energies += c**2 + d**2
        cross += c * d
    magnitude = (2 * products + 0.01) / (energies + 0.01)
    return float(np.mean(magnitude * (2 * abs(cross) + 0.01) / (2 * products + 0.01)))


def artefacts(restored: np.ndarray, blurred: np.ndarray) -> dict[str, float | None]:
    difference = restored.astype(np.float64) - blurred
    red, green, blue = difference.mean((0, 1))
    new = np.isin(restored, (0, 255)) & (restored != blurred)
    return {
        "shift_red": red,
        "shift_green": green,
        "shift_blue": blue,
        "clipped": new.mean(),
        "grid": grid(difference),
    }


def grid(difference: np.ndarray) -> float | None:
    """The blocks one by one: a picture's frequencies of 1/4 and 1/2 against those near them."""
    if min(difference.shape[:2]) < 16:
        return None
    rows, columns = (_blocks(side) for side in difference.shape[:2])
    power = np.zeros((4, 5, 4, 5))
    for top, along_rows in rows:
        for left, along_columns in columns:
            height, width = along_rows.shape[-1], along_columns.shape[-1]
            block = difference[top : top + height, left : left + width]
            found = np.einsum("mpy,nqx,yxc->mpnqc", along_rows, along_columns, block, optimize=True)
            power += np.mean(abs(found) ** 2, axis=-1)
    power = power / (len(rows) * len(columns)) + 1 / 12
    ratios = [
        power[m, 0, n, 0] / max(power[m, 1:, n, 0].mean(), power[m, 0, n, 1:].mean())
        for m, n in np.ndindex(4, 4)
        if m or n
    ]
    return float(10 * np.log10(max(ratios)))


def _blocks(side: int) -> list[tuple[int, np.ndarray]]:
    """Where each block starts, and its complex waves: [quarter, itself and 4 near it, size]."""
    size = min(64, max(16, side // 2))
    count = 1 + int(np.ceil((side - size) / (size // 2)))
    place = np.arange(size)
    window = np.sin(np.pi * (place + 0.5) / size) ** 2
    offsets = np.array([0, -3, -2, 2, 3]) / size
    frequencies = np.arange(4)[:, None] / 4 + offsets
    waves = window * np.exp(-2j * np.pi * frequencies[..., None] * place)
    # The mean under the window is taken off wherever a wave is no constant.
    leak = waves.sum(-1, keepdims=True) / window.sum()
    waves = waves - np.where(frequencies[..., None] == 0, 0, leak * window)
    starts = np.round(np.linspace(0, side - size, count)).astype(int)
    return [(start, waves / np.sqrt(np.sum(window**2))) for start in starts]
