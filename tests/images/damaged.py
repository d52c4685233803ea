"""Damages good pictures in seeded ways, and reads what comes of it, also in a process of its own.

Run by itself it is that process: it reads files' bytes from its input, each behind its length, and
answers each with a line.
"""

import contextlib
import io
import json
import os
import re
import resource
import select
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from deblur_jax import images
from deblur_jax.errors import UserError
from deblur_jax.images import formats
from deblur_jax.images.encoders import write_png16
from deblur_jax.images.suffixes import FORMAT_OF

MOST_PIXELS = 2**22  # that the reader is allowed: a damaged header may ask for any size
# What the process of its own answers by crashing, by hanging, and by using up its memory.
CRASH, HANG, MEMORY = b"crash", b"hang", b"memory"
ROOT = str(Path(images.__file__).parents[2])
Rng = np.random.Generator


def _saved(image: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format=kind, **options)
    return stream.getvalue()


def _tiff(samples: np.ndarray, **options) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, samples, **options)
    return stream.getvalue()


def _png16(samples: np.ndarray) -> bytes:
    stream = io.BytesIO()
    write_png16(stream, samples, icc=bytes(200))
    return stream.getvalue()


def seeds() -> dict[str, list[bytes]]:
    """Small good pictures of every format known here, by the format's name."""
    rng = np.random.default_rng(0)
    soft = np.kron(rng.integers(0, 256, (3, 4, 4)), np.ones((8, 8, 1))).astype(np.uint8)
    soft[4:9] = rng.integers(0, 256, (5, 32, 4))
    rgba = Image.fromarray(soft)
    rgb, gray, palette = rgba.convert("RGB"), rgba.convert("L"), rgba.convert("RGB").quantize(16)
    deep = soft.astype(np.uint16) * 257 - 3
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "A camera"
    exif.get_ifd(0x8769)[0x829D] = 2.8
    about = {"exif": exif.tobytes(), "dpi": (300, 300)}
    made = {
        "PNG": [
            _saved(rgba, "PNG", **about),
            _saved(palette, "PNG", transparency=bytes([0, 200])),
            _saved(rgba.convert("1"), "PNG"),
            _png16(deep),
            _png16(deep[..., :1]),
        ],
        "JPEG": [
            _saved(rgb, "JPEG", **about),
            _saved(rgb, "JPEG", progressive=True),
            _saved(gray, "JPEG", restart_marker_blocks=2),
            _saved(rgb.convert("CMYK"), "JPEG"),
        ],
        "WebP": [
            _saved(rgba, "WEBP", lossless=True, exif=about["exif"]),
            _saved(rgba, "WEBP", quality=60),
            _saved(rgb, "WEBP", quality=60),
        ],
        "TIFF": [
            _saved(rgba, "TIFF", **about),
            *(
                _saved(rgb, "TIFF", compression=name, dpi=(300, 300))
                for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
            ),
            _saved(rgba.convert("1"), "TIFF", compression="group4"),
            _saved(gray, "TIFF"),
            _tiff(deep[..., :3], photometric="rgb"),
            _tiff(deep[..., :3], photometric="rgb", compression="zlib", tile=(16, 16)),
            _tiff(deep[..., :3].transpose(2, 0, 1), photometric="rgb", planarconfig="separate"),
            _tiff(soft[..., :3].astype(np.float32), photometric="rgb", compression="zlib"),
            _tiff(soft[..., :3].astype(np.float32), photometric="rgb", bigtiff=True),
        ],
        "BMP": [_saved(rgb, "BMP"), _saved(palette, "BMP"), _saved(rgba.convert("1"), "BMP")],
        "GIF": [_saved(palette, "GIF", transparency=3), _saved(gray, "GIF", comment=b"words")],
    }
    if formats.has_avif():
        made["AVIF"] = [_saved(rgba, "AVIF", speed=10, exif=about["exif"]), _saved(rgb, "AVIF")]
    if formats.has_heic_encoder():
        made["HEIC"] = [_saved(rgba, "HEIF", exif=about["exif"]), _saved(rgb, "HEIF")]
    return made


def _flip_bits(data: bytearray, rng: Rng) -> None:
    for place in rng.integers(0, len(data), rng.integers(1, 12)):
        data[place] ^= 1 << rng.integers(8)


def _set_bytes(data: bytearray, rng: Rng) -> None:
    for place in rng.integers(0, len(data), rng.integers(1, 6)):
        data[place] = rng.choice([0, 1, 0x7F, 0x80, 0xFF])


def _cut(data: bytearray, rng: Rng) -> None:
    del data[rng.integers(len(data)) :]


def _remove(data: bytearray, rng: Rng) -> None:
    start = rng.integers(len(data))
    del data[start : start + rng.integers(1, 64)]


def _insert(data: bytearray, rng: Rng) -> None:
    start = rng.integers(len(data) + 1)
    data[start:start] = rng.bytes(rng.integers(1, 64))


def _repeat(data: bytearray, rng: Rng) -> None:
    start = rng.integers(len(data))
    data[start:start] = data[start : start + rng.integers(1, 200)] * int(rng.integers(1, 20))


def _splice(data: bytearray, rng: Rng) -> None:
    """A part of the file takes another part's place."""
    length = int(rng.integers(1, max(2, len(data) // 4)))
    start, other = rng.integers(0, max(1, len(data) - length), 2)
    data[start : start + length] = data[other : other + length]


def _large_number(data: bytearray, rng: Rng) -> None:
    """A number of two or four bytes near the start, where sizes and lengths stand."""
    form = str(rng.choice([">H", "<H", ">I", "<I"]))
    size = struct.calcsize(form)
    place = rng.integers(min(len(data) - size, 400))
    limit = 2 ** (8 * size)
    value = rng.choice([0, 1, 16383, 65535 % limit, limit // 2 - 1, limit // 2, limit - 1])
    struct.pack_into(form, data, place, int(value))


def _chunk_length(data: bytearray, rng: Rng) -> None:
    """The length or the name of a chunk, box or segment that the file really has."""
    names = (
        rb"IHDR|IDAT|PLTE|tRNS|iCCP|pHYs|VP8.|ALPH|EXIF|meta|iloc|iprp|ispe|mdat|\xff[\xc0-\xfe]"
    )
    places = [found.start() for found in re.finditer(names, data)]
    if places:
        place = max(0, int(rng.choice(places)) + int(rng.choice([-4, 0, 2, 4])))
        data[place : place + 4] = struct.pack(
            ">I", int(rng.choice([0, 1, 8, 255, 2**31, 2**32 - 1]))
        )


def _repair_png(data: bytearray) -> None:
    """Makes the check sums right again, so that damage gets further than the first look."""
    place = 8
    while data[:4] == b"\x89PNG" and place + 12 <= len(data):
        end = place + 8 + int.from_bytes(data[place : place + 4], "big")
        if end + 4 > len(data):
            return
        data[end : end + 4] = struct.pack(">I", zlib.crc32(data[place + 4 : end]))
        place = end + 4


MUTATIONS: tuple[Callable[[bytearray, Rng], None], ...] = (
    _flip_bits,
    _set_bytes,
    _cut,
    _remove,
    _insert,
    _repeat,
    _splice,
    _large_number,
    _chunk_length,
)


def damaged(good: list[bytes], count: int, seed: int) -> Iterator[bytes]:
    """`count` files, each one of `good` after one to three kinds of damage; the same every time."""
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        data = bytearray(good[number % len(good)])
        for index in rng.integers(0, len(MUTATIONS), rng.choice([1, 1, 1, 2, 3])):
            if len(data) > 8:
                MUTATIONS[index](data, rng)
        if rng.integers(4):
            _repair_png(data)
        yield bytes(data)


@dataclass
class Outcome:
    """What became of one file: 'read', 'refused', or what it must not be; the seconds it took."""

    kind: str
    said: str
    seconds: float
    peak_mb: float = 0.0


def try_reading(data: bytes, most_pixels: int = MOST_PIXELS) -> Outcome:
    """Reads a file; what it comes to is 'read', 'refused' or, which is a fault, 'raised'."""
    start = time.perf_counter()
    kind, said = "read", ""
    try:
        picture = images.from_bytes(data, "a.file", max_pixels=most_pixels)
        if picture.rgb.ndim != 3 or picture.rgb.size == 0 or picture.rgb.dtype.byteorder == ">":
            kind, said = "raised", f"no picture: {picture.rgb.shape}"
        if picture.rgb.size < 2**14:
            _write(picture)
    except UserError as error:
        kind, said = "refused", str(error)
        if not said.startswith("cannot read a.file: ") or "\n" in said or "0x" in said:
            kind = "raised"
    except BaseException as error:
        kind, said = "raised", repr(error)
    return Outcome(kind, said, time.perf_counter() - start, peak_mb())


def _write(picture: images.Picture) -> None:
    """What was read can be written again, its format's own way and as a TIFF, which looks into
    what travels beside."""
    suffixes = {name: suffix for suffix, name in FORMAT_OF.items()}
    for suffix in (images.result_suffix(suffixes[picture.stored.format]), ".tif"):
        data = images.to_bytes(picture, suffix)
        if suffix not in (".heic", ".heif"):
            images.from_bytes(data)


def peak_mb() -> float:
    """The most memory that this process has held since it started, in MB, 0 where it is not told.

    What `resource` tells counts its parent's, too.
    """
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(found[1]) / 1024 if found else 0.0


class Reader:
    """Reads files in a process of its own, whose memory and time are limited."""

    def __init__(self, memory_mb: int, seconds: float, most_pixels: int = MOST_PIXELS) -> None:
        self.memory_mb, self.seconds, self.most_pixels = memory_mb, seconds, most_pixels
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self, data: bytes) -> Outcome:
        """As `try_reading`, and 'hung' or 'crashed'."""
        if self._process is None:
            command = [sys.executable, __file__, str(self.memory_mb), str(self.most_pixels)]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join([ROOT, *sys.path])},
            )
            assert self._process.stdout is not None
            self._process.stdout.readline()  # it has imported all
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        start = time.perf_counter()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(struct.pack("<I", len(data)) + data)
            process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], self.seconds)
        line = process.stdout.readline() if ready else b""
        if line:
            return Outcome(**json.loads(line))
        kind = "crashed" if ready else "hung"
        self.close()
        return Outcome(kind, f"exit code {process.returncode}", time.perf_counter() - start)

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _serve(memory_mb: int, most_pixels: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb * 2**20, memory_mb * 2**20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print(flush=True)
    while head := sys.stdin.buffer.read(4):
        data = sys.stdin.buffer.read(struct.unpack("<I", head)[0])
        if data == CRASH:
            os.kill(os.getpid(), signal.SIGSEGV)
        if data == HANG:
            time.sleep(60)
        outcome = try_reading(data, most_pixels)
        if data == MEMORY:
            with contextlib.suppress(MemoryError):
                outcome = Outcome("raised", f"{len(bytes(memory_mb * 2**20))} bytes too many", 0)
        print(json.dumps(outcome.__dict__), flush=True)


def report(name: str, outcomes: list[Outcome]) -> str:
    """A line about one format: files, read, refused, faults, the slowest, the peak of memory."""
    kinds = [outcome.kind for outcome in outcomes]
    read, refused = kinds.count("read"), kinds.count("refused")
    return (
        f"{name:5} {len(kinds):6} files, {read:5} read, {refused:5} refused, "
        f"{len(kinds) - read - refused:3} faults, "
        f"slowest {max(outcome.seconds for outcome in outcomes):.2f} s, "
        f"peak {max(outcome.peak_mb for outcome in outcomes):.0f} MB"
    )


if __name__ == "__main__":
    _serve(int(sys.argv[1]), int(sys.argv[2]))
