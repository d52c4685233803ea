"""What writing a photograph costs by setting; the figures in `saving.py` and `encoders.py`.

python tests/images/measuring.py PHOTOGRAPH.png
"""

import io
import sys
import time
import zlib

import numpy as np
from PIL import Image

from deblur_jax import images
from deblur_jax.images import encoders

TRIES = 5  # of which the quickest counts


def saved(rgb: np.ndarray, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(rgb).save(stream, kind, **options)
    return stream.getvalue()


def told(what: str, work, like: np.ndarray | None = None) -> None:
    """Prints seconds and kB, and the PSNR to `like` of what is read back."""
    seconds = []
    for _ in range(TRIES):
        start = time.process_time()
        data = work()
        seconds.append(time.process_time() - start)
    line = f"{what:36} {min(seconds):6.3f} s {len(data) / 1000:8.0f} kB"
    if like is not None:
        back = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        line += f" {10 * np.log10(255**2 / np.mean((like.astype(float) - back) ** 2)):6.1f} dB"
    print(line)


def main(path: str) -> None:
    rgb = images.read_rgb(path)
    for level in (1, 4, 6, 9):
        told(f"PNG, level {level}", lambda level=level: saved(rgb, "PNG", compress_level=level))
    for effort, method in ((50, 4), (20, 3), (0, 0)):
        options = {"lossless": True, "exact": True, "quality": effort, "method": method}
        told(
            f"WebP, lossless, effort {effort}, {method}",
            lambda options=options: saved(rgb, "WEBP", **options),
        )
    lossy = {"WEBP": [{}], "AVIF": [{"subsampling": s} for s in ("4:2:0", "4:4:4")]}
    for kind, variants in lossy.items():
        first = saved(rgb, kind, quality=75)
        like = np.asarray(Image.open(io.BytesIO(first)).convert("RGB"))
        print(f"{kind} of quality 75: {len(first) / 1000:.0f} kB; its picture written again")
        for quality in (85, 90, 95):
            for options in variants:
                told(
                    f"  at {quality} {options.get('subsampling', '')}",
                    lambda k=kind, p=like, q=quality, o=options: saved(p, k, quality=q, **o),
                    like,
                )
    noise = np.random.default_rng(0).integers(-100, 100, rgb.shape)
    restored = (rgb.astype(np.int64) * 257 + noise).clip(0, 65535).astype(np.uint16)
    for said, deep in (
        ("noise below 8 bits", restored),
        ("no more than 8 bits", images.convert_depth(rgb, "uint16")),
    ):
        for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_RLE):
            told(
                f"PNG 16, {said}, {'runs' if strategy == zlib.Z_RLE else 'level 6'}",
                lambda d=deep, s=strategy: packed16(d, s),
            )
    across = np.concatenate([rgb[:, :1], rgb[:, 1:] - rgb[:, :-1]], axis=1).tobytes()
    for level in (4, 6):
        told(f"TIFF 8, level {level}", lambda level=level: zlib.compress(across, level))


def packed16(samples: np.ndarray, strategy: int) -> bytes:
    rows = samples.astype(">u2").view(np.uint8).reshape(*samples.shape[:2], -1)
    lines = encoders._filtered(rows, np.zeros_like(rows[0]))
    packer = zlib.compressobj(6, strategy=strategy)
    return packer.compress(lines.tobytes()) + packer.flush()


if __name__ == "__main__":
    main(sys.argv[1])
