"""Pictures survive reading and writing: every format, depth, alpha, gray, profile and EXIF."""

import errno
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from deblur_jax import images
from deblur_jax.errors import UserError
from deblur_jax.images import Picture

LOSSLESS = [".png", ".tif", ".tiff", ".bmp", ".webp"]


def noise(rng, dtype, *shape):
    if np.dtype(dtype).kind == "f":
        return rng.random(shape, dtype=np.float32)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def camera_exif(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "A camera"
    exif.get_ifd(0x8769)[0x829D] = 2.8  # the aperture, in the EXIF directory
    exif.get_ifd(0x8825)[1] = "N"  # in the GPS directory
    return exif


@pytest.mark.parametrize("suffix", LOSSLESS)
@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (33, 70)])
def test_eight_bit_rgb_comes_back_exactly(tmp_path, rng, suffix, shape):
    rgb = noise(rng, np.uint8, *shape, 3)
    path = tmp_path / f"picture{suffix}"
    images.write(path, rgb)
    back = images.read(path)
    np.testing.assert_array_equal(back.rgb, rgb)
    assert back.rgb.dtype == np.uint8 and back.alpha is None and not back.gray
    with Image.open(path) as theirs:  # and another program sees the same
        np.testing.assert_array_equal(np.asarray(theirs.convert("RGB")), rgb)


def test_jpeg_is_near_and_keeps_full_colour_resolution(tmp_path, rng):
    rgb = np.kron(noise(rng, np.uint8, 8, 8, 3), np.ones((8, 8, 1), np.uint8))
    path = tmp_path / "picture.jpg"
    images.write(path, rgb)
    assert np.abs(images.read_rgb(path).astype(int) - rgb).max() <= 6
    with Image.open(path) as theirs:
        assert [part[1:3] for part in theirs.layer] == [(1, 1)] * 3  # no chroma subsampling


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
@pytest.mark.parametrize("gray", [False, True])
def test_alpha_is_kept_as_it_was(tmp_path, rng, suffix, gray):
    mode, channels = ("LA", 2) if gray else ("RGBA", 4)
    samples = noise(rng, np.uint8, 9, 6, channels)
    samples[0, :, -1] = 0  # colours under full transparency count too
    source, target = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    if suffix == ".webp" and gray:
        pytest.skip("WebP has no gray")
    options = {"lossless": True, "exact": True} if suffix == ".webp" else {}
    Image.fromarray(samples, mode).save(source, **options)
    picture = images.read(source)
    assert picture.gray is gray
    np.testing.assert_array_equal(picture.alpha, samples[..., -1])
    images.write(target, picture.with_rgb(255 - picture.rgb))
    with Image.open(target) as theirs:
        assert theirs.mode == mode
        np.testing.assert_array_equal(np.asarray(theirs)[..., -1], samples[..., -1])
        np.testing.assert_array_equal(np.asarray(theirs)[..., :-1], 255 - samples[..., :-1])


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bit_png_against_tensorflow(tmp_path, rng, channels):
    tf = pytest.importorskip("tensorflow")
    samples = noise(rng, np.uint16, 11, 13, channels)
    samples[3:6] = 1000  # flat parts make the coder take other filters
    samples[6:9] = np.arange(13, dtype=np.uint16)[None, :, None] * 300
    path = tmp_path / "theirs.png"
    path.write_bytes(tf.io.encode_png(samples).numpy())
    picture = images.read(path)
    assert picture.rgb.dtype == np.uint16 and picture.gray is (channels < 3)
    np.testing.assert_array_equal(picture.rgb[..., 0], samples[..., 0])
    if channels >= 3:
        np.testing.assert_array_equal(picture.rgb, samples[..., :3])
    if channels in (2, 4):
        np.testing.assert_array_equal(picture.alpha, samples[..., -1])
    ours = tmp_path / "ours.png"
    images.write(ours, picture)
    decoded = tf.io.decode_png(ours.read_bytes(), dtype=tf.uint16).numpy()
    np.testing.assert_array_equal(decoded, samples)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_tiff_against_tifffile(tmp_path, rng, dtype, channels):
    import tifffile

    samples = noise(rng, dtype, 300, 301, channels)
    source, target = tmp_path / "theirs.tif", tmp_path / "ours.tif"
    tifffile.imwrite(
        source,
        samples[..., 0] if channels == 1 else samples,
        photometric="rgb" if channels >= 3 else "minisblack",
        planarconfig="contig",
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
    )
    picture = images.read(source)
    assert picture.rgb.dtype == dtype
    np.testing.assert_array_equal(picture.rgb[..., 0], samples[..., 0])
    images.write(target, picture)
    np.testing.assert_array_equal(tifffile.imread(target).reshape(samples.shape), samples)
    again = images.read(target)
    np.testing.assert_array_equal(again.rgb, picture.rgb)
    np.testing.assert_equal(again.alpha, picture.alpha)
    assert again.gray is (channels < 3)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("layout", [{}, {"planarconfig": "separate"}, {"tile": (16, 16)}])
def test_sixteen_bit_tiff_layouts(tmp_path, rng, order, compression, layout):
    import tifffile

    samples = noise(rng, np.uint16, 20, 37, 3)
    path = tmp_path / "deep.tif"
    planar = "planarconfig" in layout
    tifffile.imwrite(
        path,
        np.ascontiguousarray(samples.transpose(2, 0, 1)) if planar else samples,
        photometric="rgb",
        byteorder=order,
        compression=compression,
        predictor=compression is not None,
        **layout,
    )
    np.testing.assert_array_equal(images.read(path).rgb, samples)


def test_premultiplied_alpha_is_divided_out(tmp_path):
    import tifffile

    samples = np.array([[[5000, 10000, 20000, 20000], [0, 0, 0, 0]]], np.uint16)
    path = tmp_path / "associated.tif"
    tifffile.imwrite(path, samples, photometric="rgb", extrasamples=["assocalpha"])
    picture = images.read(path)
    expected = np.rint(np.array([5000, 10000, 20000]) * 65535 / 20000)
    np.testing.assert_array_equal(picture.rgb[0, 0], expected)
    np.testing.assert_array_equal(picture.alpha, [[20000, 0]])


def test_gray_stays_gray_and_keeps_its_values(tmp_path, rng):
    gray = noise(rng, np.uint8, 16, 16)
    for suffix in (".png", ".tif", ".bmp", ".jpg"):
        path = tmp_path / f"gray{suffix}"
        Image.fromarray(gray).save(path, **({"quality": 95} if suffix == ".jpg" else {}))
        picture = images.read(path)
        assert picture.gray and picture.rgb.shape == (16, 16, 3)
        images.write(path, picture)
        with Image.open(path) as theirs:
            assert theirs.mode == "L"
            if suffix != ".jpg":
                np.testing.assert_array_equal(np.asarray(theirs), gray)


def test_gray_is_the_luma_of_restored_colours(tmp_path, rng):
    rgb = noise(rng, np.uint8, 8, 8, 3)
    path = tmp_path / "gray.png"
    images.write(path, Picture(rgb, gray=True))
    expected = np.asarray(Image.fromarray(rgb).convert("L")).astype(int)
    with Image.open(path) as theirs:
        assert np.abs(np.asarray(theirs).astype(int) - expected).max() <= 1  # theirs truncates


def test_palette_cmyk_and_two_levels_become_rgb(tmp_path, rng):
    rgb = noise(rng, np.uint8, 12, 12, 3)
    palette = Image.fromarray(rgb).quantize(7)
    palette.save(tmp_path / "palette.png")
    np.testing.assert_array_equal(
        images.read(tmp_path / "palette.png").rgb, np.asarray(palette.convert("RGB"))
    )
    cmyk = Image.fromarray(rgb).convert("CMYK")
    cmyk.save(tmp_path / "cmyk.tif", icc_profile=b"a profile for inks")
    picture = images.read(tmp_path / "cmyk.tif")
    np.testing.assert_array_equal(picture.rgb, np.asarray(cmyk.convert("RGB")))
    assert picture.icc is None  # it describes inks, no longer these colours
    bilevel = Image.fromarray(rgb).convert("1")
    bilevel.save(tmp_path / "bilevel.png")
    picture = images.read(tmp_path / "bilevel.png")
    np.testing.assert_array_equal(picture.rgb, np.asarray(bilevel.convert("RGB")))
    assert picture.gray


def test_a_palette_with_transparency_keeps_it(tmp_path):
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    palette.save(tmp_path / "p.png", transparency=bytes([0, 200]))
    picture = images.read(tmp_path / "p.png")
    np.testing.assert_array_equal(picture.rgb, [[[10, 20, 30], [40, 50, 60]]])
    np.testing.assert_array_equal(picture.alpha, [[0, 200]])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_orientation_is_applied_and_reset(tmp_path, rng, orientation, suffix):
    rgb = np.kron(noise(rng, np.uint8, 2, 3, 3), np.ones((8, 8, 1), np.uint8))
    source, target = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    options = {".webp": {"lossless": True}, ".jpg": {"quality": 95, "subsampling": 0}}
    Image.fromarray(rgb).save(
        source, exif=camera_exif(orientation).tobytes(), **options.get(suffix, {})
    )
    with Image.open(source) as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored).convert("RGB"))
    picture = images.read(source)
    np.testing.assert_array_equal(picture.rgb, expected)
    images.write(target, picture)
    with Image.open(target) as written:
        exif = written.getexif()
        assert exif.get(0x0112, 1) == 1
        assert written.size == (expected.shape[1], expected.shape[0])
        assert exif[0x010F] == "A camera"
        assert float(exif.get_ifd(0x8769)[0x829D]) == pytest.approx(2.8)
        assert exif.get_ifd(0x8825)[1] == "N"


@pytest.mark.parametrize("orientation", [3, 6])
@pytest.mark.parametrize("deep", ["png", "zipped tiff", "plain tiff"])
def test_orientation_of_sixteen_bit_pictures(tmp_path, rng, orientation, deep):
    samples = noise(rng, np.uint16, 4, 6, 3)
    path = tmp_path / ("deep.png" if deep == "png" else "deep.tif")
    if deep == "png":
        from deblur_jax.images.encoders import write_png16

        with path.open("wb") as stream:
            write_png16(stream, samples, exif=camera_exif(orientation).tobytes())
    else:
        import tifffile

        tags = [(274, "H", 1, orientation, True)]
        compression = "zlib" if deep == "zipped tiff" else None
        tifffile.imwrite(path, samples, photometric="rgb", extratags=tags, compression=compression)
    expected = samples[::-1, ::-1] if orientation == 3 else np.rot90(samples, -1)
    picture = images.read(path)
    np.testing.assert_array_equal(picture.rgb, expected)
    images.write(path, picture)
    np.testing.assert_array_equal(images.read(path).rgb, expected)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_profile_and_exif_are_kept(tmp_path, rng, suffix, dtype):
    profile = srgb_profile()
    picture = Picture(noise(rng, dtype, 8, 8, 3), icc=profile, exif=camera_exif().tobytes())
    path = tmp_path / f"picture{suffix}"
    images.write(path, picture)
    with Image.open(path) as theirs:
        assert theirs.info["icc_profile"] == profile
    back = images.read(path)
    assert back.icc == profile
    exif = Image.Exif()
    exif.load(back.exif)
    assert exif[0x010F] == "A camera"
    assert float(exif.get_ifd(0x8769)[0x829D]) == pytest.approx(2.8)


def test_float_pictures_stay_float_and_must_be_finite(tmp_path, rng):
    path = tmp_path / "float.tif"
    rgb = noise(rng, np.float32, 5, 4, 3) * 3 - 1
    images.write(path, rgb)
    np.testing.assert_array_equal(images.read(path).rgb, rgb)
    rgb[2, 2, 0] = np.nan
    images.write(path, rgb)
    with pytest.raises(UserError, match=r"float\.tif: .*not finite"):
        images.read(path)


def test_depths_are_rounded_not_cut():
    values = np.array([[0, 127, 128, 129, 32896, 65535]], np.uint16)
    np.testing.assert_array_equal(
        images.convert_depth(values, "uint8"), np.rint(values / 257).astype(np.uint8)
    )
    every = np.arange(256, dtype=np.uint8)
    deep = images.convert_depth(every, "uint16")
    np.testing.assert_array_equal(images.convert_depth(deep, "uint8"), every)
    unit = np.array([-0.2, 0.4999 / 255, 0.5001 / 255, 1.5], np.float32)
    np.testing.assert_array_equal(images.convert_depth(unit, "uint8"), [0, 0, 1, 255])


def test_a_transparent_picture_is_not_flattened_silently(tmp_path, rng):
    rgb, alpha = noise(rng, np.uint8, 4, 4, 3), np.full((4, 4), 255, np.uint8)
    images.write(tmp_path / "opaque.jpg", Picture(rgb, alpha))
    alpha[0, 0] = 254
    with pytest.raises(UserError, match=r"clear\.jpg: .*transparency"):
        images.write(tmp_path / "clear.jpg", Picture(rgb, alpha))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["opaque.jpg"]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_truncated_files_are_named(tmp_path, rng, suffix, dtype):
    path = tmp_path / f"broken{suffix}"
    images.write(path, noise(rng, dtype, 64, 64, 3))
    whole = path.read_bytes()
    for share in (0.0, 0.02, 0.5, 0.9):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(UserError, match=rf"^cannot read .*broken\{suffix}: "):
            images.read(path)


def test_what_is_no_picture_is_named(tmp_path):
    path = tmp_path / "note.png"
    path.write_text("II this is not a picture")
    with pytest.raises(UserError, match=r"note\.png"):
        images.read(path)
    with pytest.raises(UserError, match=r"absent\.png: no such file"):
        images.read(tmp_path / "absent.png")
    with pytest.raises(UserError, match="directory"):
        images.read(tmp_path)


def test_size_limit(tmp_path, monkeypatch):
    path = tmp_path / "large.png"
    Image.new("RGB", (40, 30)).save(path)
    assert images.read(path, max_pixels=1200).rgb.shape == (30, 40, 3)
    with pytest.raises(UserError, match=r"large\.png: it has more than 1199 pixels"):
        images.read(path, max_pixels=1199)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)  # above twice the limit Pillow raises
    with pytest.raises(UserError, match="large\\.png: it has more than 268 megapixels"):
        images.read(path)
    assert images.MAX_PIXELS > 200_000_000


def test_animations_and_many_pages_are_refused(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for name in ("moving.webp", "moving.png", "pages.tif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        with pytest.raises(UserError, match=rf"{name}: it (is an animation|has 2 pages)"):
            images.read(tmp_path / name)


def test_a_full_disk_leaves_nothing_behind(tmp_path, rng, monkeypatch):
    rgb = noise(rng, np.uint8, 32, 32, 3)
    real = os.fdopen

    def full(handle, *args, **kwargs):
        stream = real(handle, *args, **kwargs)

        class Stream:
            written = 0

            def write(self, block):
                self.written += len(block)
                if self.written > 100:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return stream.write(block)

            def __enter__(self):
                return self

            def __exit__(self, *_):
                stream.close()

            def __getattr__(self, name):
                if name == "fileno":  # makes encoders go through write
                    raise AttributeError(name)
                return getattr(stream, name)

        return Stream()

    old = tmp_path / "old.png"
    images.write(old, rgb)
    before = old.read_bytes()
    monkeypatch.setattr(os, "fdopen", full)
    for name in ("new.png", "new.jpg", "new.tif", "new.webp", "new.bmp", "old.png"):
        with pytest.raises(UserError, match=rf"cannot write .*{name}: no space left"):
            images.write(tmp_path / name, 255 - rgb)
    with pytest.raises(UserError, match="no space left"):
        images.write(tmp_path / "deep.png", images.convert_depth(rgb, "uint16"))
    assert [path.name for path in tmp_path.iterdir()] == ["old.png"]
    assert old.read_bytes() == before


def test_no_right_to_write_and_files_in_the_way(tmp_path, monkeypatch):
    rgb = np.zeros((2, 2, 3), np.uint8)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file: a file is where a folder should be"):
        images.write(tmp_path / "file" / "a.png", rgb)
    with pytest.raises(UserError, match="a file is where a folder should be"):
        images.write(tmp_path / "file" / "deeper" / "a.png", rgb)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UserError, match=r"folder\.png: it is a folder"):
        images.write(tmp_path / "folder.png", rgb)

    def refused(*_args, **_kwargs):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(tempfile, "mkstemp", refused)
    with pytest.raises(UserError, match=r"a\.png: permission denied"):
        images.write(tmp_path / "a.png", rgb)


def test_written_files_have_ordinary_rights(tmp_path):
    images.write(tmp_path / "a.png", np.zeros((2, 2, 3), np.uint8))
    plain = tmp_path / "plain"
    plain.write_text("")
    assert (tmp_path / "a.png").stat().st_mode == plain.stat().st_mode


def test_a_wrong_name_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"a\.gif: '\.gif'"):
        images.write(tmp_path / "a.gif", np.zeros((2, 2, 3), np.uint8))


def test_with_rgb_wants_the_same_size_and_type():
    picture = Picture(np.zeros((2, 3, 3), np.uint16))
    with pytest.raises(ValueError, match="uint16"):
        picture.with_rgb(np.zeros((2, 3, 3), np.uint8))


def test_real_photographs_are_read(shared_data):
    paths = list(Path(shared_data).rglob("*.png"))[:3]
    for path in paths:
        with Image.open(path) as theirs:
            expected = np.asarray(theirs.convert("RGB"))
        np.testing.assert_array_equal(images.read_rgb(path), expected)
