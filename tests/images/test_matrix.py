"""Every mode in every format, at sizes up to 64, in every orientation, with what travels beside.

Each file is made by Pillow, tifffile or byte by byte, read, written in its own format, and looked
at by Pillow or tifffile again. What is expected comes from the samples it was made of.
"""

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from deblur_jax import images
from deblur_jax.images import Picture, formats

SIZES = [(1, 1), (1, 7), (3, 2), (17, 33), (64, 64)]  # height, width
METHODS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
Rng = np.random.Generator


def turned(samples: np.ndarray, orientation: int) -> np.ndarray:
    """[H, W, C] upright; Pillow turns a picture of the pixels' numbers."""
    height, width = samples.shape[:2]
    numbers = Image.fromarray(np.arange(height * width, dtype=np.int32).reshape(height, width))
    if orientation in METHODS:
        numbers = numbers.transpose(METHODS[orientation])
    return samples.reshape(height * width, -1)[np.asarray(numbers)]


def about(orientation: int) -> dict[str, object]:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "A camera"
    exif.get_ifd(0x8769)[0x829D] = 2.8
    exif.get_ifd(0x8769)[0x9003] = "2020:01:02 03:04:05"
    exif.get_ifd(0x8825)[1] = "N"
    made: dict[str, object] = {"exif": exif.tobytes()}
    if orientation % 2:
        made["icc_profile"] = SRGB
    if orientation % 3:
        made["dpi"] = (300, 200)
    return made


def raw_png(samples: np.ndarray, bits: int, colour: int, clear: bytes, beside: dict) -> bytes:
    """A PNG by its specification: no filter; `bits` a sample, `colour` its colour type."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        whole = kind + body
        return struct.pack(">I", len(body)) + whole + struct.pack(">I", zlib.crc32(whole))

    height, width = samples.shape[:2]
    flat = samples.reshape(height, -1)
    if bits == 16:
        lines = [line.astype(">u2").tobytes() for line in flat]
    elif bits == 8:
        lines = [line.astype(np.uint8).tobytes() for line in flat]
    else:
        spread = (flat[..., None] >> np.arange(bits - 1, -1, -1)) & 1
        lines = [np.packbits(line.ravel()).tobytes() for line in spread]
    made = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    if "icc_profile" in beside:
        made += chunk(b"iCCP", b"name\0\0" + zlib.compress(beside["icc_profile"]))
    if clear:
        made += chunk(b"tRNS", clear)
    if "dpi" in beside:
        made += chunk(b"pHYs", struct.pack(">IIB", *(round(d / 0.0254) for d in beside["dpi"]), 1))
    made += chunk(b"IDAT", zlib.compress(b"".join(b"\0" + line for line in lines)))
    made += chunk(b"eXIf", beside["exif"].removeprefix(b"Exif\0\0"))  # behind the pixels
    return b"\x89PNG\r\n\x1a\n" + made + chunk(b"IEND", b"")


@dataclass
class Made:
    """A file and what is to be read from it: samples [H, W, C] with 1 to 4 channels."""

    data: bytes
    samples: np.ndarray
    tolerance: int = 0


def noise(rng: Rng, size: tuple[int, int], channels: int, top: int = 256) -> np.ndarray:
    dtype = np.uint8 if top <= 256 else np.uint16
    return rng.integers(0, top, (*size, channels)).astype(dtype)


def pillow(mode: str, kind: str, **options) -> Callable[[Rng, tuple[int, int], dict], Made]:
    """Pictures whose samples Pillow stores as they are."""
    channels = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}[mode]

    def make(rng: Rng, size: tuple[int, int], beside: dict) -> Made:
        samples = noise(rng, size, channels)
        image = Image.fromarray(samples[..., 0] if channels == 1 else samples)
        stream = io.BytesIO()
        image.save(stream, format=kind, **options, **beside)
        return Made(stream.getvalue(), samples)

    return make


def two_levels(kind: str, **options):
    def make(rng: Rng, size: tuple[int, int], beside: dict) -> Made:
        samples = noise(rng, size, 1, 2) * np.uint8(255)
        stream = io.BytesIO()
        Image.fromarray(samples[..., 0]).convert("1").save(stream, format=kind, **options, **beside)
        return Made(stream.getvalue(), samples)

    return make


def palette(kind: str, alphas: bytes | int | None = None, **options):
    def make(rng: Rng, size: tuple[int, int], beside: dict) -> Made:
        colours, numbers = noise(rng, (1, 5), 3)[0], noise(rng, size, 1, 5)[..., 0]
        numbers.ravel()[-1] = 4  # so that no writer leaves the last colour out
        image = Image.fromarray(numbers, "P")
        image.putpalette(colours.tobytes())
        samples = colours[numbers]
        if alphas is not None:
            clear = np.full(5, 255, np.uint8)
            if isinstance(alphas, int):
                clear[alphas] = 0
            else:
                clear[: len(alphas)] = list(alphas)
            samples = np.concatenate([samples, clear[numbers][..., None]], axis=2)
            beside = {**beside, "transparency": alphas}
        stream = io.BytesIO()
        image.save(stream, format=kind, **options, **beside)
        return Made(stream.getvalue(), samples)

    return make


def gray_png(bits: int, clear: bool):
    def make(rng: Rng, size: tuple[int, int], beside: dict) -> Made:
        top = 2**bits
        values = noise(rng, size, 1, top)
        factor = 1 if bits == 16 else 255 // (top - 1)
        samples, chosen = values * values.dtype.type(factor), int(values[0, 0, 0])
        if clear:
            opaque = np.where(values == chosen, 0, 65535 if bits == 16 else 255)
            samples = np.concatenate([samples, opaque.astype(samples.dtype)], axis=2)
        beside = {**beside, "icc_profile": SRGB} if "icc_profile" in beside else beside
        return Made(
            raw_png(values, bits, 0, struct.pack(">H", chosen) if clear else b"", beside), samples
        )

    return make


def colour_png(bits: int, colour: int, clear: bool):
    def make(rng: Rng, size: tuple[int, int], beside: dict) -> Made:
        samples = values = noise(rng, size, {2: 3, 4: 2, 6: 4}[colour], 2**bits)
        chosen = values[0, 0]
        if clear:
            where = (values == chosen).all(axis=2, keepdims=True)
            opaque = np.where(where, 0, 2**bits - 1).astype(values.dtype)
            samples = np.concatenate([values, opaque], axis=2)
        mark = struct.pack(">HHH", *map(int, chosen)) if clear else b""
        return Made(raw_png(values, bits, colour, mark, beside), samples)

    return make


def deep_tiff(dtype: str, channels: int, **options):
    def make(rng: Rng, size: tuple[int, int], beside: dict) -> Made:
        samples = noise(rng, size, channels, 65536)
        if dtype == "float32":
            samples = (samples / 65535).astype(np.float32)
        exif = Image.Exif()
        exif.load(beside["exif"])
        stream = io.BytesIO()
        tifffile.imwrite(
            stream,
            samples[..., 0] if channels == 1 else samples,
            photometric="rgb" if channels >= 3 else "minisblack",
            planarconfig="contig" if channels > 1 else None,
            extrasamples=["unassalpha"] if channels in (2, 4) else None,
            extratags=[(274, "H", 1, exif[0x0112], True), (271, "s", 0, "A camera", True)],
            iccprofile=beside.get("icc_profile"),
            resolution=beside.get("dpi", (1, 1)),
            resolutionunit="INCH" if "dpi" in beside else "NONE",
            metadata=None,
            **options,
        )
        return Made(stream.getvalue(), samples)

    return make


def inks(rng: Rng, size: tuple[int, int], beside: dict) -> Made:
    values = noise(rng, size, 4)
    stream = io.BytesIO()
    Image.fromarray(values, "CMYK").save(stream, format="TIFF", **beside)
    light = 255 - values.astype(float)
    return Made(stream.getvalue(), np.rint(light[..., :3] * light[..., 3:] / 255), 1)


def lab(rng: Rng, size: tuple[int, int], beside: dict) -> Made:
    """Colours near gray, so that all of them exist in sRGB; the oracle is CIE's formulas."""
    light = rng.integers(90, 220, (*size, 1))
    signed = rng.integers(-12, 13, (*size, 2))
    stored = np.concatenate([light, signed & 255], axis=2).astype(np.uint8)
    stream = io.BytesIO()
    tifffile.imwrite(
        stream,
        stored,
        photometric="cielab",
        extratags=[(274, "H", 1, about_orientation(beside), True)],
        metadata=None,
    )
    high = (light[..., 0] * 100 / 255 + 16) / 116
    parts = np.stack([high + signed[..., 0] / 500, high, high - signed[..., 1] / 200], axis=2)
    xyz = np.where(parts > 6 / 29, parts**3, 3 * (6 / 29) ** 2 * (parts - 4 / 29))
    xyz = xyz * [0.9642, 1.0, 0.8249]  # D50
    linear = xyz @ np.array(  # XYZ under D50 to linear sRGB (Bradford; Lindbloom's table)
        [
            [3.1338561, -0.9787684, 0.0719453],
            [-1.6168667, 1.9161415, -0.2289914],
            [-0.4906146, 0.0334540, 1.4052427],
        ]
    )
    coded = np.where(linear > 0.0031308, 1.055 * linear.clip(1e-9) ** (1 / 2.4) - 0.055, 0)
    return Made(stream.getvalue(), np.rint(coded * 255), 4)


def about_orientation(beside: dict) -> int:
    exif = Image.Exif()
    exif.load(beside["exif"])
    return exif[0x0112]


def luma_chroma(rng: Rng, size: tuple[int, int], beside: dict) -> Made:
    """YCbCr in TIFF, converted by BT.601's full range as TIFF 6.0 section 21 has it."""
    values = np.concatenate(
        [rng.integers(60, 190, (*size, 1)), rng.integers(108, 149, (*size, 2))], axis=2
    ).astype(np.uint8)
    stream = io.BytesIO()
    tifffile.imwrite(
        stream,
        values,
        photometric="ycbcr",
        subsampling=(1, 1),
        extratags=[
            (274, "H", 1, about_orientation(beside), True),
            (532, 5, 6, (0, 1, 255, 1, 128, 1, 255, 1, 128, 1, 255, 1), True),
        ],
        metadata=None,
    )
    y, cb, cr = np.moveaxis(values.astype(float), 2, 0)
    cb, cr = cb - 128, cr - 128
    rgb = [y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb]
    return Made(stream.getvalue(), np.rint(np.stack(rgb, axis=2)), 2)


def soft(kind: str, channels: int, tolerance: int, **options):
    """Slopes of colour, which lossy formats keep well."""

    def make(rng: Rng, size: tuple[int, int], beside: dict) -> Made:
        rows, columns = np.mgrid[: size[0], : size[1]]
        slopes = [40 + rows + columns, 60 + 2 * rows, 200 - columns, 250 - rows]
        samples = np.stack(slopes[-channels:] if channels == 2 else slopes[:channels], axis=2)
        samples = samples.astype(np.uint8)
        image = Image.fromarray(samples[..., 0] if channels == 1 else samples)
        stream = io.BytesIO()
        image.save(stream, format=kind, **options, **beside)
        return Made(stream.getvalue(), samples, tolerance)

    return make


LOSSLESS_WEBP = {"lossless": True, "exact": True}
FULL = {"quality": 100, "subsampling": "4:4:4", "speed": 10}
CASES: dict[str, tuple[str, Callable[[Rng, tuple[int, int], dict], Made]]] = {
    "png gray": (".png", pillow("L", "PNG")),
    "png gray alpha": (".png", pillow("LA", "PNG")),
    "png rgb": (".png", pillow("RGB", "PNG")),
    "png rgba": (".png", pillow("RGBA", "PNG")),
    "png two levels": (".png", two_levels("PNG")),
    "png palette": (".png", palette("PNG")),
    "png palette alphas": (".png", palette("PNG", bytes([0, 90, 255]))),
    "png palette one clear": (".png", palette("PNG", 4)),
    **{
        f"png gray {bits} bits{' clear' * clear}": (".png", gray_png(bits, clear))
        for bits in (1, 2, 4, 8, 16)
        for clear in (False, True)
    },
    "png rgb clear": (".png", colour_png(8, 2, True)),
    "png 16 rgb": (".png", colour_png(16, 2, False)),
    "png 16 rgb clear": (".png", colour_png(16, 2, True)),
    "png 16 gray alpha": (".png", colour_png(16, 4, False)),
    "png 16 rgba": (".png", colour_png(16, 6, False)),
    "webp rgb": (".webp", pillow("RGB", "WEBP", **LOSSLESS_WEBP)),
    "webp rgba": (".webp", pillow("RGBA", "WEBP", **LOSSLESS_WEBP)),
    "tiff gray": (".tif", pillow("L", "TIFF")),
    "tiff gray alpha": (".tif", pillow("LA", "TIFF")),
    "tiff rgb": (".tif", pillow("RGB", "TIFF")),
    "tiff rgba": (".tiff", pillow("RGBA", "TIFF")),
    "tiff two levels": (".tif", two_levels("TIFF")),
    "tiff palette": (".tif", palette("TIFF")),
    "tiff inks": (".tif", inks),
    "tiff lab": (".tif", lab),
    "tiff ycbcr": (".tif", luma_chroma),
    **{
        f"tiff {dtype} {channels}": (".tif", deep_tiff(dtype, channels))
        for dtype in ("uint16", "float32")
        for channels in (1, 2, 3, 4)
    },
    "tiff uint16 packed": (".tif", deep_tiff("uint16", 3, compression="zlib", predictor=True)),
    "tiff float32 packed": (".tif", deep_tiff("float32", 3, compression="zlib")),
    "bmp gray": (".bmp", pillow("L", "BMP")),
    "bmp rgb": (".bmp", pillow("RGB", "BMP")),
    "bmp two levels": (".bmp", two_levels("BMP")),
    "bmp palette": (".bmp", palette("BMP")),
    "gif gray": (".gif", pillow("L", "GIF", optimize=False)),
    "gif palette": (".gif", palette("GIF")),
    "gif one clear": (".gif", palette("GIF", 4)),
    "jpeg gray": (".jpg", soft("JPEG", 1, 2, quality=98)),
    "jpeg rgb": (".jpeg", soft("JPEG", 3, 4, quality=98, subsampling=0)),
    "jpeg rgb progressive": (".jpg", soft("JPEG", 3, 4, quality=98, progressive=True)),
    "webp lossy": (".webp", soft("WEBP", 3, 12, quality=98)),
    "webp lossy alpha": (".webp", soft("WEBP", 4, 12, quality=98)),
}
if formats.has_avif():
    CASES["avif rgb"] = (".avif", soft("AVIF", 3, 5, **FULL))
    CASES["avif rgba"] = (".avif", soft("AVIF", 4, 5, **FULL))
    CASES["avif gray"] = (".avif", soft("AVIF", 1, 5, quality=100, speed=10))
BARE = (".bmp", ".gif")  # they hold neither EXIF nor a profile
NO_PROFILE = {"tiff inks", "tiff lab", "tiff ycbcr"}  # made without, or it is of other colours


def looked_at(data: bytes, suffix: str) -> np.ndarray:
    """The samples that another program finds in a file, [H, W, C]."""
    if suffix in (".tif", ".tiff"):
        samples = tifffile.imread(io.BytesIO(data))
    elif suffix == ".png" and data[24] == 16:
        samples = png16_samples(data)
    else:
        with Image.open(io.BytesIO(data)) as image:
            samples = np.asarray(image)
    height, width = samples.shape[:2]
    return samples.reshape(height, width, -1)


def png16_samples(data: bytes) -> np.ndarray:
    """By the specification's own formula, value by value (section 9.4)."""
    place, packed = 8, b""
    while place < len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        packed += data[place + 8 : place + 8 + length] if kind == b"IDAT" else b""
        place += 12 + length
    width, height, _, colour = struct.unpack_from(">IIBB", data, 16)
    step = 2 * {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    lines = zlib.decompress(packed)
    found = np.zeros((height + 1, step + width * step), np.uint8)  # with a border of zeros
    for y in range(height):
        line = lines[y * (1 + width * step) : (y + 1) * (1 + width * step)]
        assert line[0] == 4
        for x, value in enumerate(line[1:], start=step):
            a, b, c = int(found[y + 1, x - step]), int(found[y, x]), int(found[y, x - step])
            guess = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]
            found[y + 1, x] = (value + guess) % 256
    return found[1:, step:].copy().view(">u2").astype(np.uint16).reshape(height, width, -1)


@pytest.mark.parametrize("name", CASES)
def test_all_that_a_picture_has_comes_back(name):
    suffix, make = CASES[name]
    rng = np.random.default_rng(1)
    orientations = [1] if suffix in BARE else range(1, 9)
    for size in SIZES:
        for orientation in orientations:
            beside = about(orientation)
            if suffix in BARE:
                beside = {"dpi": (300, 200)} if suffix == ".bmp" else {}
            made = make(rng, size, beside)
            picture = images.from_bytes(made.data, f"{name} {size} {orientation}")
            upright = turned(made.samples, orientation)
            check_read(picture, upright, made.tolerance)
            profile = None if name in NO_PROFILE else beside.get("icc_profile")
            assert picture.icc == profile
            written = images.to_bytes(picture, images.result_suffix(suffix))
            check_written(written, images.result_suffix(suffix), picture, made.tolerance)
            check_beside(written, suffix, name, profile, orientation)


def check_read(picture: Picture, samples: np.ndarray, tolerance: int) -> None:
    channels = samples.shape[2]
    assert picture.gray is (channels < 3)
    assert picture.rgb.shape == (*samples.shape[:2], 3)
    if not tolerance:
        assert picture.rgb.dtype == samples.dtype
    rgb = samples[..., :1].repeat(3, axis=2) if channels < 3 else samples[..., :3]
    assert np.abs(picture.rgb.astype(float) - rgb).max() <= tolerance
    assert (picture.alpha is not None) is (channels in (2, 4))
    if picture.alpha is not None:
        np.testing.assert_array_equal(picture.alpha, samples[..., -1])
        assert picture.alpha.dtype == picture.rgb.dtype


def check_written(data: bytes, suffix: str, picture: Picture, tolerance: int) -> None:
    samples = looked_at(data, suffix)
    gray = picture.gray and suffix != ".webp"
    channels = (1 if gray else 3) + (picture.alpha is not None)
    assert samples.shape == (*picture.rgb.shape[:2], channels)
    assert samples.dtype == picture.rgb.dtype
    expected = picture.rgb[..., :1] if gray else picture.rgb
    lossy = suffix in (".jpg", ".jpeg", ".avif") or (suffix == ".webp" and tolerance)
    within = tolerance if lossy else 0
    assert np.abs(samples[..., : expected.shape[2]].astype(float) - expected).max() <= within
    if picture.alpha is not None:
        np.testing.assert_array_equal(samples[..., -1], picture.alpha)


def check_beside(
    data: bytes, suffix: str, name: str, profile: bytes | None, orientation: int
) -> None:
    if name.startswith(("tiff uint16", "tiff float32")):  # Pillow cannot open all of these
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            tags = {tag.code: tag.value for tag in file.pages.first.tags.values()}
        assert tags.get(274, 1) == 1 and tags[271] == "A camera" and tags.get(34675) == profile
        return
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        exif, densities = image.getexif(), image.info.get("dpi")
        assert image.info.get("icc_profile") == profile
        assert exif.get(0x0112, 1) == 1
        if suffix == ".bmp":
            assert densities == pytest.approx((300, 200), abs=0.1)
        if suffix in BARE or name in ("tiff lab", "tiff ycbcr"):
            return  # made without the rest
        assert exif[0x010F] == "A camera"
        assert exif.get_ifd(0x8769)[0x829D] == pytest.approx(2.8)
        assert exif.get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"
        assert exif.get_ifd(0x8825)[1] == "N"
    if suffix in (".webp", ".avif"):
        return  # they keep none but EXIF's
    if orientation % 3 == 0:
        guesses = {(1, 1)} if suffix.startswith(".tif") else {(72, 72)}  # what Pillow fills in
        assert densities is None or densities in guesses
    else:
        assert densities == pytest.approx((300, 200) if orientation < 5 else (200, 300), abs=0.1)
