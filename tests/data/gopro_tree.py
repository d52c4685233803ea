"""A small tree of GoPro's shape, and its zip."""

import itertools
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from deblur_jax.data.gopro import Contents

TRAIN = ("GOPR0001_11_00", "GOPR0002_11_00", "GOPR0003_07_00")
VALIDATION = ("GOPR0002_11_00",)
TEST = ("GOPR0004_13_00",)
FRAMES = ("000001.png", "000047.png")
PARTS = ("blur", "blur_gamma", "sharp")
SMALL = Contents(TRAIN, VALIDATION, TEST, train_pairs=6, test_pairs=2)
HEIGHT, WIDTH = 8, 12


def make_tree(root: Path) -> Path:
    """train/ and test/ with pictures of 12x8 pixels, each of its own noise."""
    number = itertools.count()
    for split, scenes in {"train": TRAIN, "test": TEST}.items():
        for scene, part, frame in itertools.product(scenes, PARTS, FRAMES):
            path = root / split / scene / part / frame
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(next(number)).integers(0, 256, (HEIGHT, WIDTH, 3))
            Image.fromarray(noise.astype(np.uint8)).save(path)
    return root


def make_zip(tree: Path, archive: Path, prefix: str = "GOPRO_Large/") -> Path:
    """The tree as a zip, with folders' entries and a file that is no picture."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for path in sorted(tree.rglob("*")):
            opened.write(path, prefix + path.relative_to(tree).as_posix())
        opened.writestr(f"{prefix}readme.txt", "frames 11 offset 0")
        opened.writestr(f"__MACOSX/{prefix}train/{TRAIN[0]}/blur/._000001.png", "no picture")
    return archive


def pictures(root: Path) -> dict[str, bytes]:
    """Every file below a folder by its path in it."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }
