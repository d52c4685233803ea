"""What the input's benchmark calls, counts, compares and writes; never how long it takes."""

import inspect
import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from PIL import Image
from skimage import data as photographs

from benchmarks import command, config_file, input_pairs, input_paths, input_pipeline, input_step
from deblur_jax.data import sampling, store, synthetic
from deblur_jax.errors import UserError
from deblur_jax.training import parallel, steps

DEVICES = jax.device_count()
HEIGHT, WIDTH = 40, 56
CONFIG = f"""
from configs import default

def get_config():
    config = default.get_config()
    config.data.crop = 16
    config.data.augment = "none"
    config.model.generator = "unshuffle"
    config.model.norm = "none"
    config.model.width = 2
    config.model.blocks = 0
    config.loss.adversarial_weight = 0.0
    config.loss.perceptual_weight = 0.0
    config.loss.pixel_weight = 1.0
    config.train.batch_size = {DEVICES}
    return config
"""


@pytest.fixture
def config_path(tmp_path: Path) -> Path:
    path = tmp_path / "little.py"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def pairs(tmp_path: Path, rng: np.random.Generator) -> Path:
    folder = tmp_path / "own"
    for name in ("blur", "sharp"):
        (folder / name).mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture
def little_store(rng: np.random.Generator) -> store.Store:
    pixels = rng.integers(0, 256, (3, 2, HEIGHT, WIDTH, 3), np.uint8)
    return store.of_arrays([(blurred, sharp) for blurred, sharp in pixels])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Leaves the making of synthetic pairs out, and keeps what was asked for."""
    asked: list[dict[str, Any]] = []

    def pool(paths: Any, count: int, **options: Any) -> tuple[np.ndarray, np.ndarray]:
        asked.append({"count": count, **options})
        return np.zeros(1), np.zeros(1)

    monkeypatch.setattr(input_paths, "make_pool", pool)
    return asked


def run(arguments: list[str], target: Path) -> dict[str, Any]:
    assert input_pipeline.main([*arguments, "--seconds", "0.01", "--json", str(target)]) == 0
    return json.loads(target.read_text())


def test_the_command_writes_every_key(
    config_path: Path,
    pairs: Path,
    quick: list[dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.setattr(command, "fresh_compilation", nullcontext)  # not what is tested here
    arguments = ["--config", str(config_path), "--pairs", str(pairs), "--crop", "32"]
    m = run([*arguments, "--batch", str(DEVICES), "--steps", "3"], tmp_path / "all.json")
    assert not list(temporary.glob("input_pipeline*"))
    assert (m["schema"], m["benchmark"], m["config"]) == (1, "input_pipeline", str(config_path))
    assert {"device", "versions", "date", "load_before"} <= set(m)
    assert m["device_count"] == DEVICES and m["batch"] == DEVICES and m["crop"] == 32
    assert (m["pairs_from"], m["pairs_found"], m["pairs_used"]) == ("a folder", 3, 3)
    assert (m["pair_height"], m["pair_width"]) == (HEIGHT, WIDTH)
    assert m["decode_once_bytes"] == 3 * 2 * HEIGHT * WIDTH * 3
    assert m["host_page_cache"] == "warm"
    for path in (*input_pipeline.PATHS, "decode_once"):
        rate = m[f"{path}_count"] / m[f"{path}_seconds"]
        assert m[f"{path}_pairs_per_second"] == pytest.approx(rate) and rate > 0
    for path in input_pipeline.PATHS:
        assert m[f"{path}_warmup_s"] >= 0 and isinstance(m[f"{path}_feeds_step"], bool)
    for path in ("host", "host_to_device", "on_device"):
        assert m[f"{path}_count"] % DEVICES == 0
    # The step has the configuration's own crop and batch.
    assert (m["step_crop"], m["step_batch"], m["step_pairs"]) == (16, DEVICES, DEVICES)
    assert m["step_perceptual"] is False and m["step_count"] == 3
    rate = m["step_pairs"] / m["step_median_s"]
    assert m["step_consumes_pairs_per_second"] == pytest.approx(rate)
    low, ratio, high = (m[f"step_cutting_ratio_{q}"] for q in ("p10", "median", "p90"))
    assert low <= ratio <= high and m["step_cutting_within_target"] == (ratio <= 1.05)
    printed = capsys.readouterr().out
    assert f"3 pairs of {WIDTH}x{HEIGHT}" in printed and "decoded anew" in printed
    assert f"cutting: the step takes {ratio:.3f} times" in printed


def test_without_a_step_only_the_paths_are_timed(
    config_path: Path, pairs: Path, quick: list[dict[str, Any]], tmp_path: Path
) -> None:
    arguments = ["--config", str(config_path), "--pairs", str(pairs), "--crop", "32", "--no-step"]
    m = run([*arguments, "--batch", str(2 * DEVICES)], tmp_path / "paths.json")
    assert not [key for key in m if key.startswith("step_") or key.endswith("_feeds_step")]
    assert m["on_device_pairs_per_second"] > 0 and m["batch"] == 2 * DEVICES
    assert {asked["size"] for asked in quick} == {32}


@pytest.mark.parametrize(("limit", "calls"), [(0.1, 1), (0.5, 1), (2.0, 4), (2.2, 5)])
def test_calls_are_made_until_the_time_is_over(limit: float, calls: int) -> None:
    made = 0
    now = 0.0

    def call() -> None:
        nonlocal made, now
        now += 0.5 if made else 10.0  # the first one compiles
        made += 1

    measures = input_paths.until(call, limit, pairs=3, clock=lambda: now)
    assert made == 1 + calls
    assert measures == {
        "warmup_s": 9.5,
        "count": 3 * calls,
        "seconds": 0.5 * calls,
        "pairs_per_second": 6.0,
    }


def test_two_steps_are_called_in_turn_on_one_chain_of_states() -> None:
    called: list[tuple[str, int]] = []
    now = 0.0

    def step(name: str, seconds: float) -> Any:
        def advance(state: int) -> tuple[int, dict]:
            nonlocal now
            now += seconds + (20.0 if name not in [n for n, _ in called] else 0.0)
            called.append((name, state))
            return state + 1, {}

        return advance

    first, one, other = input_step.compare(
        step("a", 3.0), step("b", 2.0), 0, 3, clock=lambda: now
    )  # fmt: skip
    assert "".join(name for name, _ in called) == "ab" + "ab" + "abbaab"
    assert [state for _, state in called] == list(range(10))
    assert (first, one, other) == ([23.0, 22.0], [3.0] * 3, [2.0] * 3)


def test_both_steps_see_the_crops_that_the_plan_names(
    config_path: Path, little_store: store.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, feed, data = input_step.feed_of(config_file.load(str(config_path)), little_store)

    def train_step(
        state: Any, batch: steps.Batch, *, recipe: Any, axis: str, pretrain: bool = False
    ) -> tuple[Any, dict]:
        scalars = {
            name: jax.lax.all_gather(batch[name].astype(np.float32).mean((-1, -2, -3)), axis)
            for name in ("blurred", "sharp")
        }
        return state._replace(step=state.step + 1), scalars

    monkeypatch.setattr(steps, "train_step", train_step)
    state = input_step.random_values.train_state(recipe)
    crop, batch = 16, feed.batch_size

    def expected(step: int) -> np.ndarray:
        index = np.arange(step * batch, (step + 1) * batch, dtype=np.uint32)
        sizes = little_store.boxes[2:]
        plan = sampling.plan(index, *sizes, crop=crop, seed=recipe.seed, augment="none")
        cut = [
            little_store.crop(int(p), int(t), int(left), crop, crop)
            for p, t, left in zip(plan.pair, plan.top, plan.left, strict=True)
        ]
        return np.stack(cut, axis=1).mean((2, 3, 4)) / 127.5 - 1

    for make, starts in ((input_step.cutting_step, (0, 1)), (input_step.fixed_step, (0, 0))):
        step = make(feed, recipe, data)
        state = state._replace(step=np.int32(0))
        for start in starts:
            state, scalars = step(state)
            seen = [np.asarray(scalars[name]).reshape(-1) for name in ("blurred", "sharp")]
            np.testing.assert_allclose(seen, expected(start), atol=1e-5)
    assert parallel.positions(batch).size == batch


def test_the_host_s_iterator_is_closed_and_watched_after_its_time(
    little_store: store.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}
    events: list[str] = []

    def batches(pairs: store.Store, **options: Any) -> Iterator[dict]:
        given.update(options)
        try:
            while True:
                events.append("batch")
                yield {}
        finally:
            events.append("closed")

    def until(call: Any, seconds: float, *, pairs: int) -> dict[str, Any]:
        for _ in range(3):
            call()
        events.append("timed")
        return {"count": pairs, "seconds": seconds}

    levels = iter(range(100, 1000))
    monkeypatch.setattr(input_paths.pipeline, "batches", batches)
    monkeypatch.setattr(input_paths, "until", until)
    monkeypatch.setattr(
        input_paths, "status_mb", lambda: {"VmHWM": 5.0, "VmRSS": float(next(levels))}
    )
    measures = input_paths.host(little_store, 2.0, batch=4, crop=16, augment="flip")
    watched = ["batch"] * input_paths.MEMORY_BATCHES
    assert events == ["batch"] * 3 + ["timed", *watched, "closed"]
    assert (given["batch_size"], given["crop"], given["augment"]) == (4, 16, "flip")
    assert given["updates"] == 1
    last = 100.0 + input_paths.MEMORY_BATCHES - 1
    assert measures == {
        "count": 4,
        "seconds": 2.0,
        "peak_rss_mb": 5.0,
        "rss_mb": last,
        "rss_anonymous_mb": None,
    }


def test_memory_is_read_in_kibibytes(tmp_path: Path) -> None:
    path = tmp_path / "status"
    path.write_text("Name:\tpython\nVmHWM:\t  2000 kB\nRssAnon:\t 500 kB\nThreads:\t4\n")
    assert input_paths.status_mb(path) == {"VmHWM": 2.048, "RssAnon": 0.512}
    assert input_paths.status_mb(tmp_path / "none") == {}


def test_each_kind_of_synthetic_blur_is_alone(quick: list[dict[str, Any]]) -> None:
    measures = input_paths.synthetic(48, 1e-9)
    defaults = {
        name.removesuffix("_share"): parameter.default
        for name, parameter in inspect.signature(synthetic.make_pool).parameters.items()
        if name.endswith("_share")
    }
    seen = []
    for asked in quick[::2]:  # one call warms up, one is timed
        own = {k.removesuffix("_share"): v for k, v in asked.items() if k.endswith("_share")}
        seen.append(set(synthetic.kinds(20, 0, synthetic.Shares(**defaults | own))))
    assert seen == [{name.replace("camera_", "camera+")} for name in input_paths.KINDS]
    assert len(quick) == 8 and quick[::2] == quick[1::2]
    assert measures["camera_object_count"] == quick[0]["count"] == input_paths.POOL


def test_a_path_feeds_the_step_if_it_is_as_fast() -> None:
    rates = dict.fromkeys(input_pipeline.PATHS, 10.0) | {"host": 20.0, "on_device": 5.0}
    measures: dict[str, Any] = {f"{path}_pairs_per_second": r for path, r in rates.items()}
    measures |= {"device_count": 4, "step_consumes_pairs_per_second": 20.0}
    fed = input_pipeline.feeds(measures)
    assert {key for key, value in fed.items() if value} == {
        "host_feeds_step",
        "on_device_feeds_step",
    }
    assert len(fed) == len(input_pipeline.PATHS)
    measures["device_count"] = 3
    assert not input_pipeline.feeds(measures)["on_device_feeds_step"]


def test_made_pairs_are_frames_of_photographs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(input_pairs, "MADE", 2)
    folder = input_pairs.make(tmp_path / "made")
    taken, found = input_pairs.find(folder, 720)
    assert found == len(taken) == 2
    for source, photograph in zip(taken, (photographs.astronaut(), photographs.cat()), strict=True):
        blurred, sharp = (picture.astype(float) for picture in source.read())
        assert blurred.shape == sharp.shape == (720, 1280, 3)
        height, width = photograph.shape[:2]
        top, left = (720 - height) // 2, (1280 - width) // 2
        assert np.array_equal(sharp[top : top + height, left : left + width], photograph)
        # Mirrored at its first row and column, without repeating them.
        assert np.array_equal(sharp[top - 9], sharp[top + 9])
        assert np.array_equal(sharp[:, left - 9], sharp[:, left + 9])
        middle = np.mean([sharp[:, 640 - n] for n in range(input_pairs._STREAK)], axis=0)
        assert np.array_equal(blurred[:, 640], np.floor(middle))
    # As hard to decode as GoPro's frames, whose files take 0.8 to 1.6 MB of 2.8.
    sizes = [path.stat().st_size for path in folder.glob("sharp/*.png")]
    assert all(0.8e6 < size < 2e6 for size in sizes)


def test_of_many_pairs_some_are_taken_evenly(pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_pairs, "MOST", 2)
    taken, found = input_pairs.find(pairs, 40)
    assert [source.name for source in taken] == ["0.png", "1.png"] and found == 3
    monkeypatch.setattr(input_pairs.sources, "find", lambda folder: list(range(7)))
    monkeypatch.setattr(input_pairs, "_check_sizes", lambda taken, least: None)
    monkeypatch.setattr(input_pairs, "MOST", 3)
    assert input_pairs.find(pairs, 40) == ([0, 2, 4], 7)


def test_pairs_smaller_than_the_crop_are_named(pairs: Path) -> None:
    with pytest.raises(UserError, match=r"^0\.png is 56x40 pixels, smaller than .* 41x41$"):
        input_pairs.find(pairs, 41)


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["--crop", "18", "--no-step"], 2, "data.crop is 18"),
        (["--crop", "48"], 1, "56x40"),
        (["--pairs", "no/such"], 2, "no/such"),
        (["--config", "no/such.py"], 2, "no/such.py"),
        (["--seconds", "0"], 2, "--seconds"),
        (["--seconds", "nan"], 2, "--seconds"),
        (["--steps", "0"], 2, "--steps"),
        (["--json", "."], 2, "folder"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    arguments: list[str],
    code: int,
    word: str,
    config_path: Path,
    pairs: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    usual = ["--config", str(config_path), "--pairs", str(pairs), "--crop", "32"]
    assert input_pipeline.main([*usual, *arguments]) == code
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("python -m benchmarks.input_pipeline: ") and word in last


def test_measuring_leaves_the_configuration_as_it_was(
    config_path: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_file.load(str(config_path))
    before = config.to_json()
    given = []

    def step(own: Any, store: Any, count: int) -> dict[str, Any]:
        given.append((own.data.crop, own.train.batch_size, count, store.folder is not None))
        return {"step_consumes_pairs_per_second": 1.0}

    def timed(config: Any, taken: Any, store: Any, seconds: float) -> dict[str, Any]:
        given.append((config.data.crop, config.train.batch_size, seconds))
        return {f"{path}_pairs_per_second": 2.0 for path in input_pipeline.PATHS}

    monkeypatch.setattr(input_step, "measure", step)
    monkeypatch.setattr(input_pipeline, "_time_paths", timed)
    measures = input_pipeline.measure(
        config, name="little", pairs=pairs, crop=32, batch=2 * DEVICES, seconds=0.5, count=3
    )
    assert config.to_json() == before
    assert given == [(32, 2 * DEVICES, 0.5), (16, DEVICES, 3, True)]
    assert measures["files_feeds_step"] is True
