"""Hashes of samples: the whole of a small file, and the ends and places between of a large one."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from deblur_jax.data.contents import BLOCK, SAMPLES, digest


@pytest.mark.parametrize("size", [0, 1, BLOCK, SAMPLES * BLOCK])
def test_a_small_file_is_hashed_whole(size: int, tmp_path: Path) -> None:
    data = np.random.default_rng(size).bytes(size)
    (tmp_path / "file").write_bytes(data)
    assert digest(tmp_path / "file") == hashlib.blake2b(data, digest_size=16).hexdigest()


def test_of_a_large_file_blocks_from_end_to_end_are_hashed(tmp_path: Path) -> None:
    size = 3_000_001
    data = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    path = tmp_path / "file"

    def of(pixels: np.ndarray) -> str | None:
        path.write_bytes(pixels.tobytes())
        return digest(path)

    before = of(data)
    for place in (0, BLOCK - 1, size // 2, size - BLOCK, size - 1):
        other = data.copy()
        # As long as what lies between two samples: what is in a picture's middle is met.
        other[place : place + size // (SAMPLES - 1)] ^= 1
        assert of(other) != before
    assert of(data) == before
    starts = np.linspace(0, size - BLOCK, SAMPLES).astype(int)
    samples = b"".join(data[start : start + BLOCK].tobytes() for start in starts)
    assert before == hashlib.blake2b(samples, digest_size=16).hexdigest()


def test_what_cannot_be_read_has_none(tmp_path: Path) -> None:
    assert digest(tmp_path / "missing") is None
    assert digest(tmp_path) is None
