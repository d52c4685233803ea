"""HEIC where pillow-heif is installed; where it is not, what to install."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from deblur_jax import images
from deblur_jax.errors import UserError
from deblur_jax.images import formats

HEAD = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"  # what an iPhone's pictures begin with
needs_heic = pytest.mark.skipif(not formats.has_heic(), reason="pillow-heif is not installed")
needs_encoder = pytest.mark.skipif(not formats.has_heic_encoder(), reason="no encoder of HEIC")


def slopes(channels: int = 3) -> np.ndarray:
    rows, columns = np.mgrid[:64, :96]
    parts = [40 + rows + columns, 60 + 2 * rows, 200 - columns, 250 - rows]
    return np.stack(parts[:channels], axis=2).astype(np.uint8)


def heic(samples: np.ndarray, **options) -> bytes:
    formats.make_ready("HEIF")
    stream = io.BytesIO()
    Image.fromarray(samples).save(stream, format="HEIF", **options)
    return stream.getvalue()


@pytest.mark.skipif(formats.has_heic(), reason="pillow-heif is installed")
def test_without_the_library_the_sentence_says_what_to_install(tmp_path):
    (tmp_path / "a.heic").write_bytes(HEAD + bytes(100))
    with pytest.raises(UserError, match=r"a\.heic: .*HEIC.*pip install 'deblur-jax\[heic\]'"):
        images.read(tmp_path / "a.heic")
    assert "HEIC" not in formats.words() and images.result_suffix(".heic") == ".png"
    with pytest.raises(UserError, match=r"b\.heic: .*only read here, \.png"):
        images.write(tmp_path / "b.heic", np.zeros((2, 2, 3), np.uint8))
    assert [path.name for path in tmp_path.iterdir()] == ["a.heic"]


def test_brands_tell_heic_from_avif():
    def head(*brands: bytes) -> bytes:
        body = b"ftyp" + brands[0] + bytes(4) + b"".join(brands[1:])
        return (len(body) + 4).to_bytes(4, "big") + body + bytes(40)

    assert formats.sniff(HEAD + bytes(40)) == "HEIF"
    assert formats.sniff(head(b"avif", b"mif1", b"miaf")) == "AVIF"
    assert formats.sniff(head(b"mif1", b"miaf", b"avif")) == "AVIF"
    assert formats.sniff(head(b"mif1", b"miaf", b"heic")) == "HEIF"
    for film in (b"isom", b"mp42", b"qt  "):
        assert formats.sniff(head(film, b"mp41")) is None


@needs_encoder
def test_heic_is_read_and_written(tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "A camera"
    data = heic(slopes(), quality=95, chroma=444, exif=exif.tobytes())
    picture = images.from_bytes(data)
    expected = np.rot90(slopes(), -1)  # orientation 6: turned clockwise to be upright
    assert picture.rgb.shape == expected.shape
    assert np.abs(picture.rgb.astype(int) - expected).max() <= 8
    assert images.result_suffix(".HEIC") == ".heic"
    images.write(tmp_path / "a.heic", picture)
    with Image.open(tmp_path / "a.heic") as theirs:
        assert theirs.format == "HEIF" and theirs.size == (64, 96)
        assert np.abs(np.asarray(theirs).astype(int) - expected).max() <= 12
        assert theirs.getexif()[0x010F] == "A camera" and theirs.getexif().get(0x0112, 1) == 1
    low = images.to_bytes(picture, ".heic", quality=10)
    assert len(low) < len(images.to_bytes(picture, ".heic", quality=95))
    assert "HEIC" in formats.words()


@needs_encoder
def test_heic_keeps_alpha_nearly():
    picture = images.from_bytes(heic(slopes(4), quality=95))
    again = images.from_bytes(images.to_bytes(picture, ".heic"))
    assert picture.alpha is not None and again.alpha is not None
    assert np.abs(picture.alpha.astype(int) - slopes(4)[..., 3]).max() <= 4
    assert np.abs(again.alpha.astype(int) - picture.alpha).max() <= 4


@needs_heic
def test_a_damaged_heic_is_refused():
    with pytest.raises(UserError, match="cannot read a: it is damaged or cut short"):
        images.from_bytes(HEAD + bytes(100), "a")


def test_it_is_imported_only_when_there_is_such_a_file():
    """So are tifffile and ImageCms, which few pictures need."""
    code = (
        "import sys; from deblur_jax import images; import io; from PIL import Image;"
        "s = io.BytesIO(); Image.new('RGB', (4, 4)).save(s, 'JPEG');"
        "images.from_bytes(s.getvalue());"
        "print([m for m in ('pillow_heif', 'tifffile', 'PIL.ImageCms', 'jax') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
