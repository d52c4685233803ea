"""Scores while training, against NumPy on what the generator gives, and from pairs on a disk."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from configs import tiny
from deblur_jax.data import training_set
from deblur_jax.data.canvas import FileCanvas
from deblur_jax.data.store import Store, of_arrays, open_store, write_index
from deblur_jax.errors import UserError
from deblur_jax.models import GeneratorConfig, apply_generator, init_generator, size_multiple
from deblur_jax.training import loop
from deblur_jax.training.feed import Feed
from deblur_jax.training.validation import Validation
from deblur_jax.training.writers import Writers
from deblur_jax.weights.checkpoints import Checkpoints

CONFIG = GeneratorConfig(width=4, blocks=1)
SIZES = [(21, 34), (32, 32), (40, 19)]


@pytest.fixture
def pairs(rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    drawn = []
    for size in SIZES:
        sharp = rng.integers(0, 256, (*size, 3))
        blurred = np.clip(sharp + rng.integers(-40, 41, sharp.shape), 0, 255)
        drawn.append((blurred.astype(np.uint8), sharp.astype(np.uint8)))
    return drawn


def on_disk(store: Store, folder: Path) -> Store:
    for name in ("blurred", "sharp"):
        pixels = getattr(store, name).pixels
        canvas = FileCanvas(folder / f"{name}.npy", pixels.shape[:2])
        canvas.write(0, 0, pixels)
        canvas.close()
    write_index(store, folder)
    return open_store(folder)


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2)))


def expected(pairs: list[tuple[np.ndarray, np.ndarray]], params: Any) -> dict[str, float]:
    multiple = size_multiple(CONFIG)
    restored, blurred = [], []
    for pair in pairs:
        height, width = (side // multiple * multiple for side in pair[0].shape[:2])
        b, s = (picture[:height, :width] for picture in pair)
        y = np.asarray(apply_generator(params, b[None].astype(np.float32) / 127.5 - 1, CONFIG))[0]
        restored.append(psnr(np.clip(np.rint((y + 1) * 127.5), 0, 255), s))
        blurred.append(psnr(b, s))
    return {
        "validation/psnr": float(np.mean(restored)),
        "validation/psnr_blurred": float(np.mean(blurred)),
        "validation/worst_gain": float(np.min(np.subtract(restored, blurred))),
    }


@pytest.mark.parametrize("where", ["memory", "disk"])
def test_scores_are_those_of_numpy(where: str, pairs: list, tmp_path: Path) -> None:
    store = of_arrays(pairs) if where == "memory" else on_disk(of_arrays(pairs), tmp_path)
    params = init_generator(jax.random.key(0), CONFIG)
    validation = Validation(store, CONFIG, jnp.float32)
    wanted = expected(pairs, params)
    assert wanted["validation/psnr"] != pytest.approx(wanted["validation/psnr_blurred"], abs=0.01)
    for _ in range(2):
        assert validation.scores(params, {}) == pytest.approx(wanted, abs=1e-3)


def test_no_picture_is_kept(pairs: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is read when it is scored, so that a split of GoPro need not fit into the memory."""
    store = on_disk(of_arrays(pairs), tmp_path)
    reads: list[int] = []
    whole = Store.crop

    def crop(self: Store, pair: int, *box: int) -> np.ndarray:
        reads.append(pair)
        return whole(self, pair, *box)

    monkeypatch.setattr(Store, "crop", crop)
    validation = Validation(store, CONFIG, jnp.float32)
    params = init_generator(jax.random.key(0), CONFIG)
    for _ in range(2):
        reads.clear()
        validation.scores(params, {})
        assert reads == [0, 1, 2]


def write_pairs(folder: Path, count: int) -> Path:
    rng = np.random.default_rng(count)
    for name in ("blur", "sharp"):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def run_config(tmp_path: Path) -> Any:
    config = tiny.get_config()
    config.data.pairs = str(write_pairs(tmp_path / "pairs", 3))
    config.data.validation = str(write_pairs(tmp_path / "held_out", 2))
    config.data.crop = 32
    config.model.width = config.model.critic_width = 4
    config.model.blocks = 1
    config.train.update({"steps": 1, "batch_size": 8, "critic_steps": 1})
    return config


def test_a_broken_validation_pair_is_said_before_training_pairs_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = run_config(tmp_path)
    path = tmp_path / "held_out" / "sharp" / "1.png"
    path.write_bytes(path.read_bytes()[:200])
    monkeypatch.setattr(training_set, "gather", lambda *_, **__: pytest.fail("decoded before"))
    with pytest.raises(UserError, match=r"held_out/sharp/1\.png.*data\.skip_broken=True"):
        loop.train(config, tmp_path / "run")


def test_whatever_fails_before_the_first_step_files_are_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []
    for kind in (Writers, Checkpoints):
        whole = kind.close

        def close(self: Any, whole: Any = whole) -> None:
            closed.append(type(self).__name__)
            whole(self)

        monkeypatch.setattr(kind, "close", close)

    def refuse(self: Feed) -> Any:
        raise UserError("cannot read the decoded pairs")

    config = run_config(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(Feed, "preview", refuse)
        with pytest.raises(UserError, match="cannot read the decoded pairs"):
            loop.train(config, tmp_path / "run")
    assert closed == ["Writers", "Checkpoints"]
    closed.clear()
    config.data.pairs = str(tmp_path / "nowhere")
    with pytest.raises(UserError, match="nowhere"):
        loop.train(config, tmp_path / "run")
    assert closed == ["Checkpoints"]
