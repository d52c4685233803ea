"""Guards against numpy loops, closed forms and photographs; and when a run warns."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.data
from PIL import Image

from configs import tiny
from deblur_jax.training import guards, loop, writers

QUIET = {f"guard/{name}": 0.0 for name in ("red", "green", "blue", "clipped", "grid")}

measure = jax.jit(guards.measure)


def grid_of(difference: np.ndarray) -> float:
    """The measure for a difference in grey levels, [H, W, 3] or [B, H, W, 3]."""
    restored = difference.reshape(-1, *difference.shape[-3:]).astype(np.float32) / 127.5
    return float(measure(restored, np.zeros_like(restored))["guard/grid"])


def grid_by_fft(difference: np.ndarray) -> float:
    """The same for one picture whose side is a multiple of 32, by numpy's FFT of each block."""
    side = difference.shape[0]
    size = min(64, side // 2)
    place = np.arange(size) + 0.5
    window = np.sin(np.pi * place / size) ** 2
    window = np.outer(window, window)[..., None]
    powers = []
    for top in range(0, side - size + 1, size // 2):
        for left in range(0, side - size + 1, size // 2):
            block = window * difference[top : top + size, left : left + size]
            powers.append(np.abs(np.fft.fft2(block, axes=(0, 1))) ** 2 / np.sum(window**2))
    power = np.mean(powers, axis=0).mean(2) + 1 / 12
    ratios = []
    for i, j in np.ndindex(4, 4):
        if i or j:
            y, x, near = i * size // 4, j * size // 4, [-3, -2, 2, 3]
            along_y = np.mean([power[(y + k) % size, x] for k in near])
            along_x = np.mean([power[y, (x + k) % size] for k in near])
            ratios.append(power[y, x] / max(along_y, along_x))
    return float(10 * np.log10(max(ratios)))


def pattern(name: str, height: int, width: int) -> np.ndarray:
    """A grid of amplitude 1, [H, W, 1]."""
    y, x = np.mgrid[:height, :width]
    return {
        "columns of 2": (-1.0) ** x,
        "rows of 2": (-1.0) ** y,
        "checkerboard": (-1.0) ** (x + y),
        "columns of 4": np.sign(np.cos(np.pi * x / 2 + 0.1)),
        "rows of 4": np.sign(np.cos(np.pi * y / 2 + 0.1)),
        "tiles of 4": np.where((x % 4 < 2) & (y % 4 < 2), 1.0, -1.0),
    }[name][..., None]


PATTERNS = ["columns of 2", "rows of 2", "checkerboard", "columns of 4", "rows of 4", "tiles of 4"]


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_a_tint_and_a_share_are_measured_exactly(rng: np.random.Generator, dtype: Any) -> None:
    blurred = rng.integers(-64, 64, (3, 20, 25, 3)) / 128.0  # exact in bfloat16 as well
    tint = np.array([8, -16, 1]) / 128
    values = measure(jnp.asarray(blurred + tint, dtype), jnp.asarray(blurred, dtype))
    assert all(v.shape == () and v.dtype == jnp.float32 for v in values.values())
    if dtype == jnp.bfloat16:
        tint = (jnp.asarray(blurred + tint, dtype) - jnp.asarray(blurred)).mean((0, 1, 2))
    expected = 127.5 * np.asarray(tint)
    got = [float(values[f"guard/{name}"]) for name in ("red", "green", "blue")]
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    assert float(values["guard/clipped"]) == 0


def test_values_clipped_anew_are_counted_as_8_bits_show_them(rng: np.random.Generator) -> None:
    blurred = rng.integers(0, 256, (2, 30, 40, 3))
    restored = np.clip(blurred + rng.integers(-90, 90, blurred.shape), 0, 255)
    blurred[:, :9], restored[:, :9] = 255, 254  # a sky that loses its white hides nothing
    blurred[:, 9:12], restored[:, 9:12] = 255, 0  # white that turns black is a spot
    blurred[:, 12:15], restored[:, 12:15] = 0, 0  # what was black before is none
    expected = 0
    for now, before in zip(restored.ravel(), blurred.ravel(), strict=True):
        expected += (now == 255 and before != 255) or (now == 0 and before != 0)
    for offset in (0.0, 0.4, -0.4):  # a network's values lie between the 256
        x = np.clip(restored + offset, 0, 255) / 127.5 - 1
        got = measure(x.astype(np.float32), (blurred / 127.5 - 1).astype(np.float32))
        np.testing.assert_allclose(got["guard/clipped"], expected / blurred.size, rtol=1e-6)
    assert 0.1 < expected / blurred.size < 0.9


@pytest.mark.parametrize("side", [64, 96, 128, 192])
@pytest.mark.parametrize("scale", [0.3, 8.0])
def test_the_grid_is_what_numpys_fft_finds(
    side: int, scale: float, rng: np.random.Generator
) -> None:
    noise = scale * rng.standard_normal((side, side, 3))
    for name in ("columns of 2", "tiles of 4"):
        pictures = [noise, noise + pattern(name, side, side), noise.cumsum(0).cumsum(1)]
        for picture in pictures:
            assert grid_of(picture) == pytest.approx(grid_by_fft(picture), abs=2e-2)


def test_a_grid_alone_has_its_closed_form() -> None:
    # A checkerboard of amplitude a under a normalised Hann window: a^2 (sum w)^2 / sum w^2 along
    # each side, and (sum w)^2 / sum w^2 = 2 n / 3; around it there is the noise of rounding.
    for amplitude in (0.5, 2.0):
        expected = 1 + 12 * amplitude**2 * (2 * 64 / 3) ** 2
        got = grid_of(amplitude * np.repeat(pattern("checkerboard", 128, 160), 3, axis=2))
        assert got == pytest.approx(10 * np.log10(expected), abs=0.01)
    assert grid_of(np.zeros((32, 32, 3))) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("size", [(128, 128), (97, 141), (64, 66)])
def test_grids_of_2_and_4_pixels_are_seen_in_noise_where_noise_is_not(
    name: str, size: tuple[int, int], rng: np.random.Generator
) -> None:
    noise = rng.standard_normal((2, *size, 3))
    assert -1 < grid_of(noise) < 4
    assert grid_of(noise + pattern(name, *size)) > guards.GRID_LIMIT
    assert grid_of(20 * (noise + pattern(name, *size))) > guards.GRID_LIMIT
    # Waves of 3, 5 or 8 pixels are no such grid.
    x = np.arange(size[1])
    for period in (3, 5, 8):
        wave = np.cos(2 * np.pi * x / period)[:, None]
        assert grid_of(noise + wave) < 4


def photographs() -> list[np.ndarray]:
    names = ("astronaut", "coffee", "chelsea", "rocket")
    return [getattr(skimage.data, n)()[40:296, 60:316, :3].astype(np.float32) for n in names]


def box_blurred(picture: np.ndarray, length: int) -> np.ndarray:
    """Blurred by a camera that moves along the diagonal."""
    padded = np.pad(picture, ((0, length), (0, length), (0, 0)), mode="reflect")
    side = picture.shape[0]
    return np.mean([padded[i : i + side, i : i + side] for i in range(length)], axis=0)


def test_photographs_have_no_grid_until_one_is_added() -> None:
    for length in (5, 15):
        sharpening = np.stack([p - box_blurred(p, length) for p in photographs()])
        assert max(grid_of(one) for one in sharpening) < guards.GRID_LIMIT - 3
        assert abs(grid_of(sharpening)) < 4
        for name, amplitude in (("columns of 2", 2), ("checkerboard", 1), ("tiles of 4", 3)):
            with_grid = np.round(sharpening + amplitude * pattern(name, 256, 256))
            assert grid_of(with_grid) > guards.GRID_LIMIT, (length, name)


def test_a_batch_is_the_mean_of_its_pictures_at_any_size(rng: np.random.Generator) -> None:
    for size in ((16, 16), (17, 31), (33, 70), (200, 65)):
        restored, blurred = rng.uniform(-1, 1, (2, 3, *size, 3)).astype(np.float32)
        together = measure(restored, blurred)
        alone = [measure(restored[i : i + 1], blurred[i : i + 1]) for i in range(3)]
        for name, value in together.items():
            assert float(value) == pytest.approx(np.mean([one[name] for one in alone]), abs=1e-4)
            assert np.isfinite(float(value))
    with pytest.raises(ValueError, match="not in 15x20"):
        guards.grid(jnp.zeros((1, 15, 20, 3)), jnp.zeros((1, 15, 20, 3)))


def test_real_pairs_pass(shared_data: Path) -> None:
    for folder in ("gopro_train_half", "reds_crops256"):
        files = sorted((shared_data / folder / "blur").iterdir())
        for file in files[::3]:
            blurred, sharp = (
                np.asarray(Image.open(f).convert("RGB"), np.float32)[None] / 127.5 - 1
                for f in (file, shared_data / folder / "sharp" / file.name)
            )
            values = {k: float(v) for k, v in measure(sharp, blurred).items()}
            assert guards.warnings(1, values) == [], file.name


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"red": 9.3}, "6.2 grey levels redder than the blurred ones (limit 3)"),
        ({"red": -9.3}, "6.2 grey levels more cyan than"),
        ({"green": 6, "blue": 6, "red": 12}, "4.0 grey levels redder than"),
        ({"green": 5}, "3.3 grey levels greener than"),
        ({"green": -5}, "3.3 grey levels more magenta than"),
        ({"blue": 5}, "moved by +0.0, +0.0 and +5.0"),
        ({"blue": -5}, "3.3 grey levels more yellow than"),
        ({"red": 17, "green": 17, "blue": 17}, "17.0 grey levels brighter than"),
        ({"red": -17, "green": -17, "blue": -17}, "17.0 grey levels darker than"),
        ({"clipped": 0.31}, "31% of the restored values are black or white"),
        ({"grid": 21.04}, "a grid of 2 or 4 pixels, 21.0 dB above its surroundings (limit 12)"),
    ],
)
def test_what_is_beyond_its_limit_is_one_sentence(values: dict[str, float], sentence: str) -> None:
    line = QUIET | {f"guard/{name}": value for name, value in values.items()}
    (said,) = guards.warnings(1200, line | {"loss/generator": 1.0})
    assert said.startswith("step 1200: ") and sentence in said and "\n" not in said


def test_within_the_limits_nothing_is_said() -> None:
    line = dict(zip(QUIET, (14.0, 14.9, 15.9, 0.199, 11.9), strict=True))
    assert guards.warnings(5, line) == []
    line |= {"guard/red": 30.0, "guard/clipped": 0.5, "guard/grid": 30.0}
    assert len(guards.warnings(5, line)) == 4


def test_a_watch_warns_on_the_second_line_once_and_again_after_recovery() -> None:
    watch = guards.Watch()
    high, low = QUIET | {"guard/grid": 15.0}, QUIET
    tinted = high | {"guard/blue": 8.0}
    said = [
        len(watch.look(step, line))
        for step, line in enumerate(
            # quiet, then: first, second, on and on, back, once, back, first, second, another guard
            [high, high, high, high, high, low, high, low, high, high, tinted, tinted, tinted],
            start=999,
        )
    ]
    assert said == [0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0]


@pytest.fixture
def pairs(tmp_path: Path, rng: np.random.Generator) -> Path:
    for folder in ("blur", "sharp"):
        (tmp_path / "pairs" / folder).mkdir(parents=True)
        for number in range(2):
            pixels = rng.integers(100, 150, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pairs" / folder / f"{number}.png")
    return tmp_path / "pairs"


def test_a_run_logs_the_guards_and_warns_once_until_it_is_well(
    pairs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    bad_steps = (1, 2, 3, 4, 7, 8)
    real: Callable[..., list[str]] = guards.Watch.look

    def look(self: guards.Watch, step: int, values: dict[str, float]) -> list[str]:
        assert set(QUIET) <= set(values)
        shift = {"guard/red": 9.0 if step in bad_steps else 0.0}
        return real(self, step, dict(QUIET) | shift)

    monkeypatch.setattr(guards.Watch, "look", look)
    monkeypatch.setattr(guards, "QUIET_STEPS", 0)
    monkeypatch.setattr(writers, "_tensorboard", lambda workdir: None)  # TensorFlow takes long
    config = tiny.get_config()
    config.data.pairs, config.data.crop = str(pairs), 32
    config.model.width, config.model.blocks = 4, 1
    config.loss.adversarial_weight = 0.0
    config.train.update({"steps": 9, "batch_size": 8, "log_every": 1, "images_every": 0})
    assert loop.train(config, tmp_path / "run") == 0
    said = capsys.readouterr().err.splitlines()
    assert [line.split(":")[:2] for line in said if "redder" in line] == [
        ["warning", " step 2"],
        ["warning", " step 8"],
    ]
    records = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert len(records) == 9
    for record in map(json.loads, records):
        assert all(isinstance(record[name], float) for name in QUIET)
        assert not any("loss" in name for name in QUIET)
        # An untrained network's colours and grid stand there whatever the watch is told.
        assert abs(record["guard/red"]) < 255 and record["guard/red"] != 0
    assert json.loads(records[0])["guard/grid"] > 3
