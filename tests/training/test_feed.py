"""Feeding: the same bits from the host and from the device, on any number of devices and hosts."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from PIL import Image

from configs import default
from deblur_jax import compiler
from deblur_jax.data import augment, store
from deblur_jax.data.training_set import TrainingSet
from deblur_jax.errors import UsageError
from deblur_jax.training import feed, parallel
from deblur_jax.training.feed import Feed
from deblur_jax.training.recipe import make_recipe
from deblur_jax.training.state import init_state

ROOT = Path(feed.__file__).parents[2]
BATCH, CROP, STEPS = 8, 16, 2


def settings(**changes: Any) -> Any:
    config = default.get_config()
    config.data.crop, config.data.augment = CROP, "dihedral"
    config.loss.perceptual_weight, config.loss.pixel_weight = 0.0, 1.0
    config.model.width = config.model.critic_width = 2
    config.model.blocks = 1
    config.train.batch_size, config.train.critic_steps = BATCH, 2
    config.update_from_flattened_dict(changes)
    return config


# What a step would get, from either placement, as this process' devices have it.
DUMP = """
import sys
import jax, numpy as np
arguments = sys.argv[1:]
pairs, out, process, port = arguments[0], arguments[1], int(arguments[2]), arguments[3]
if port != "0":
    jax.distributed.initialize(f"127.0.0.1:{port}", 2, process)
sys.path.insert(0, "tests/training")
from test_feed import STEPS, settings
from deblur_jax.data import training_set
from deblur_jax.training import feed, parallel
from deblur_jax.training.recipe import make_recipe
from deblur_jax.training.state import TrainState

config = settings(**{
    "seed": 5, "data.pairs": pairs, "data.cache": "memory",
    "data.rotation": 25.0, "data.scale": 1.3, "data.colour_jitter": 0.3,
})
data = training_set.gather(config.data, seed=5)
made = feed.Feed(config, make_recipe(config), data)
made._run = lambda state, crops, index, pretrain: crops | {"index": index}
own, origin = parallel.positions(made.batch_size), np.array([0, 1000], np.uint32)
host = jax.pmap(made._given_step(False), axis_name=parallel.AXIS, in_axes=(None, 0, None, 0))
resident = made._resident_step(False)
device = jax.pmap(resident, axis_name=parallel.AXIS, in_axes=(None, 0, None, None))
batches = list(made.batches(STEPS, 1000, False))
found = {}

def keep(name, tree):
    for key, value in tree.items():
        shards = sorted(value.addressable_shards, key=lambda shard: shard.index[0].start or 0)
        # [devices, S, B, ...] to [S, devices * B, ...]
        own = np.concatenate([np.asarray(shard.data) for shard in shards])
        found[f"{name}/{key}"] = np.concatenate(list(own), axis=1)

state = lambda step: TrainState(np.int32(step), {}, {}, {}, {}, {}, {})
for step, batch in enumerate(batches):
    keep(f"bytes/{step}", batch)
    keep(f"host/{step}", host(state(step), own, origin, batch))
found |= {f"preview/host/{k}": v for k, v in made.preview().items()}
assert made.place() is None and made.on_device
for step in range(STEPS):
    keep(f"device/{step}", device(state(step), own, origin, made._resident))
found |= {f"preview/device/{k}": v for k, v in made.preview().items()}
np.savez(out, **found)
"""


def start(code: str, *arguments: str, flags: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env=os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, np.ndarray]]]:
    """What one device, eight, and two processes of four devices each get."""
    folder = tmp_path_factory.mktemp("feed")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 11, 40, 48, 3), dtype=np.uint8)
    np.savez(folder / "pairs.npz", blurred=pixels[0], sharp=pixels[1])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    calls = {"one": [(1, 0, "0")], "eight": [(8, 0, "0")], "two": [(4, 0, port), (4, 1, port)]}
    running: dict[str, list[tuple[subprocess.Popen, Path]]] = {}
    for name, members in calls.items():
        out = [folder / f"{name}{number}.npz" for number in range(len(members))]
        # XLA optimises as it does for users: what is fused otherwise may round otherwise.
        running[name] = [
            (
                start(
                    DUMP,
                    *(str(folder / "pairs.npz"), str(path), str(process), port),
                    flags=f"--xla_force_host_platform_device_count={devices}",
                ),
                path,
            )
            for path, (devices, process, port) in zip(out, members, strict=True)
        ]
    found: dict[str, list[dict[str, np.ndarray]]] = {name: [] for name in calls}
    for name, started in running.items():
        for process, path in started:
            err = process.communicate(timeout=120)[1]
            assert process.returncode == 0, err
            found[name].append(dict(np.load(path)))
    return found


def test_numbers_and_bytes_are_those_that_were_asked_for(dumps: dict) -> None:
    (one,) = dumps["one"]
    for step in range(STEPS):
        expected = 1000 + step * 3 * BATCH + np.arange(3 * BATCH).reshape(3, BATCH)
        for way in ("host", "device"):
            np.testing.assert_array_equal(one[f"{way}/{step}/index"], expected)
        side = augment.Augmentation(25.0, 1.3).window(CROP)
        assert one[f"bytes/{step}/sharp"].shape == (3, BATCH, side, side, 3)
        assert one[f"bytes/{step}/sharp"].dtype == np.uint8
        assert one[f"host/{step}/sharp"].shape == (3, BATCH, CROP, CROP, 3)


@pytest.mark.parametrize("name", ["one", "eight", "two"])
def test_host_and_device_give_the_same_bits(name: str, dumps: dict) -> None:
    for process, found in enumerate(dumps[name]):
        # Only the first process shows its preview.
        ways = ("host/", "preview/host") if process == 0 else ("host/",)
        compared = [key for key in found if key.startswith(ways)]
        for key in compared:
            other = found[key.replace("host", "device")]
            np.testing.assert_array_equal(found[key], other, err_msg=key)
        assert len(compared) == STEPS * 3 + 2 * (process == 0)


def test_eight_devices_give_what_one_gives(dumps: dict) -> None:
    (one,), (eight,) = dumps["one"], dumps["eight"]
    assert one.keys() == eight.keys()
    for key in one:
        if key.startswith("bytes") or key.endswith("index"):
            np.testing.assert_array_equal(one[key], eight[key], err_msg=key)
        else:  # a program for another number of samples rounds otherwise
            np.testing.assert_allclose(one[key], eight[key], rtol=0, atol=5e-7, err_msg=key)


def test_two_processes_give_together_what_one_gives(dumps: dict) -> None:
    (one,), two = dumps["eight"], dumps["two"]
    for key in one:
        if key.startswith("preview"):
            np.testing.assert_array_equal(two[0][key], one[key], err_msg=key)
        else:
            joined = np.concatenate([part[key] for part in two], axis=1)
            np.testing.assert_array_equal(joined, one[key], err_msg=key)


def test_crops_of_different_samples_differ(dumps: dict) -> None:
    (one,) = dumps["one"]
    crops = np.concatenate([one[f"host/{step}/sharp"] for step in range(STEPS)])
    assert len(np.unique(crops.reshape(STEPS * 3 * BATCH, -1), axis=0)) == STEPS * 3 * BATCH


@pytest.fixture
def pairs() -> TrainingSet:
    rng = np.random.default_rng(0)
    pictures = [tuple(rng.integers(0, 256, (2, 24, 28, 3), dtype=np.uint8)) for _ in range(5)]
    return TrainingSet(store.of_arrays(pictures), np.arange(5, dtype=np.int32))


def test_a_batch_that_devices_cannot_share_is_refused(pairs: TrainingSet) -> None:
    config = settings(**{"train.batch_size": 2 * jax.device_count() - 1})
    with pytest.raises(UsageError, match=r"train\.batch_size is 15, which 8 devices cannot share"):
        Feed(config, make_recipe(config), pairs)


def test_pairs_that_do_not_fit_are_fed_from_the_host(
    pairs: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings()
    made = Feed(config, make_recipe(config), pairs)
    before = made.preview()
    need = pairs.store.nbytes
    for room in (need, int(need / feed.MEMORY_SHARE) - 1):
        monkeypatch.setattr(feed, "_room", lambda room=room: room)
        sentence = made.place()
        assert sentence is not None and "fed from the host" in sentence and not made.on_device
    monkeypatch.setattr(feed, "_room", lambda: int(need / feed.MEMORY_SHARE) + 1)
    with monkeypatch.context() as patched:

        def full(tree: Any) -> Any:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")

        patched.setattr(parallel, "replicate", full)
        assert "do not fit on the device: they are fed from the host" in str(made.place())
        assert not made.on_device
    assert made.place() is None and made.on_device
    for name, crops in made.preview().items():
        np.testing.assert_array_equal(crops, before[name])


def test_an_accelerators_loop_makes_the_same_steps(
    pairs: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without norms: a bias before one has no gradient but what is rounded, which Adam enlarges.
    config = settings(**{"loss.adversarial_weight": 0.0, "data.rotation": 5.0})
    config.model.norm = "none"
    recipe = make_recipe(config)
    ends, scalars = [], []
    for slow in (True, False):
        monkeypatch.setattr(compiler, "loops_are_slow", lambda slow=slow: slow)
        made = Feed(config, recipe, pairs)
        assert made.place() is None
        state = init_state(jax.random.key(0), recipe)
        advance = made.phase(0, 4, 0, pretrain=False)
        for count in (1, 3):
            state, values = advance(state, count)
        ends.append(jax.tree.map(np.asarray, state))
        scalars.append({name: float(value) for name, value in values.items()})
    assert int(ends[0].step) == int(ends[1].step) == 4
    for one, other in zip(*(jax.tree.leaves((e.generator, e.average)) for e in ends), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)
    assert scalars[0] == pytest.approx(scalars[1], rel=1e-4, abs=1e-5)
    begun = init_state(jax.random.key(0), recipe).generator
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), begun, ends[1].generator)
    assert max(jax.tree.leaves(moved)) > 1e-4  # four steps of 1e-4


def test_training_from_the_device_imports_no_tensorflow(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for twin in ("blur", "sharp"):
        (tmp_path / "pairs" / twin).mkdir(parents=True)
        for number in range(2):
            pixels = rng.integers(0, 256, (24, 20, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pairs" / twin / f"{number}.png")
    pixels = rng.integers(0, 256, (2, 24, 20, 3), dtype=np.uint8)
    np.savez(tmp_path / "pairs.npz", blurred=pixels, sharp=pixels)
    code = """
import sys
import jax
sys.path.insert(0, "tests/training")
from test_feed import settings
from deblur_jax.data import training_set
from deblur_jax.training import feed
from deblur_jax.training.recipe import make_recipe
from deblur_jax.training.state import init_state
for pairs in sys.argv[1:]:
    config = settings(**{"data.pairs": pairs, "data.cache": "memory"})
    config.loss.adversarial_weight = 0.0
    recipe = make_recipe(config)
    made = feed.Feed(config, recipe, training_set.gather(config.data, seed=0))
    assert made.place() is None
    made.preview()
    state, scalars = made.phase(0, 2, 0, True)(init_state(jax.random.key(0), recipe), 2)
    assert int(state.step) == 2
print([name for name in ("tensorflow", "tensorflow_datasets", "clu") if name in sys.modules])
"""
    process = start(
        code, str(tmp_path / "pairs"), str(tmp_path / "pairs.npz"), flags=os.environ["XLA_FLAGS"]
    )
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, "[]\n"), err
