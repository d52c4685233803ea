"""Algorithm 1 against a plain numpy loop, its closed form, and figures measured on the authors'."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deblur_jax.blur import trajectory
from deblur_jax.errors import UsageError

sample = jax.jit(trajectory.sample_trajectory, static_argnames=("iterations", "constants"))


def numpy_walk(character, shakes, length, constants):
    """The reference formula with complex numbers in float64, step by step."""
    expl, inertia, big, gauss, angle = (float(v) for v in character)
    impulse, turn, normal_x, normal_y = (np.asarray(v, np.float64) for v in shakes)
    step = length / len(impulse)
    x = [0j]
    v = np.exp(1j * angle) * (expl if constants == "code" and expl > 0 else step)
    for t in range(len(impulse)):
        next_direction = 0
        if impulse[t] < big * expl:
            next_direction = 2 * v * np.exp(1j * (np.pi + turn[t] - 0.5))
        normal = normal_x[t] + 1j * normal_y[t]
        if constants == "code":
            dv = next_direction + expl * (gauss * normal - inertia * x[-1]) * step
        else:
            dv = next_direction + expl * (gauss * normal - inertia * x[-1] * step)
        v = v + dv
        v = v / abs(v) * step
        x.append(x[-1] + v)
    return np.stack([np.real(x), np.imag(x)], axis=-1)


@pytest.mark.parametrize("constants", trajectory.CONSTANTS)
def test_scan_equals_numpy_loop_on_the_same_numbers(constants):
    """300 steps: over 2000, impulses amplify the last bit of float32 beyond any tolerance."""
    character_key, shakes_key = jax.random.split(jax.random.key(3))
    # A high p_s, so that some steps are impulses; that both ways run is checked below.
    expl = 0.3 if constants == "paper" else 0.08
    character = trajectory.draw_character(character_key, constants, expl=expl)
    shakes = trajectory.draw_shakes(shakes_key, 300)
    walk = jax.jit(trajectory.walk, static_argnames="constants")
    path = np.asarray(walk(character, shakes, length=30.0, constants=constants))
    expected = numpy_walk(character, shakes, 30.0, constants)
    assert np.any(np.asarray(shakes.impulse) < float(character.big_shake * character.expl))
    np.testing.assert_allclose(path, expected, atol=1e-4)
    np.testing.assert_allclose(path[:20], expected[:20], atol=1e-5)


@pytest.mark.parametrize("constants", trajectory.CONSTANTS)
@pytest.mark.parametrize("length", [60.0, 17.5])
def test_arc_length_is_exact(constants, length):
    path = sample(jax.random.key(1), length=length, constants=constants)
    assert path.shape == (2000, 2)
    steps = np.linalg.norm(np.diff(np.asarray(path, np.float64), axis=0), axis=1)
    assert steps.sum() == pytest.approx(length, rel=1e-5)
    np.testing.assert_allclose(steps, length / 1999, rtol=1e-3)


@pytest.mark.parametrize(
    ("constants", "expl", "low", "high"),
    # Means over 60 draws of independent runs of the formula: .12-.15 and .34.
    [("code", 0.005, 0.10, 0.17), ("paper", None, 0.29, 0.42)],
)
def test_chord_to_arc_tells_the_presets_apart(constants, expl, low, high):
    keys = jax.random.split(jax.random.key(0), 100)
    paths = jax.jit(
        jax.vmap(lambda key: trajectory.sample_trajectory(key, constants=constants, expl=expl))
    )(keys)
    chord = np.linalg.norm(np.asarray(paths[:, -1] - paths[:, 0]), axis=-1)
    assert low < np.mean(chord / 60.0) < high


def test_without_shakes_the_path_is_straight():
    path = np.asarray(sample(jax.random.key(5), length=10.0, expl=0.0))
    direction = path[-1] / np.linalg.norm(path[-1])
    np.testing.assert_allclose(path[-1], direction * 10.0, atol=1e-3)
    np.testing.assert_allclose(path @ [-direction[1], direction[0]], 0.0, atol=1e-3)


def test_keys_decide():
    one, same, other = (np.asarray(sample(jax.random.key(seed))) for seed in (7, 7, 8))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.1


def test_centroid_rule_puts_the_mean_on_the_middle_pixel():
    path = sample(jax.random.key(2))
    moved = np.asarray(trajectory.centre(path, canvas=31))
    np.testing.assert_allclose(moved.mean(axis=0), 15.0, atol=1e-3)
    np.testing.assert_allclose(moved - moved[0], np.asarray(path - path[0]), atol=1e-4)


def test_official_rule_keeps_whole_pixels_and_the_middle():
    path = sample(jax.random.key(2), expl=0.005)
    moved = np.asarray(trajectory.centre(path, canvas=64, rule="official"))
    # The start lies on a whole pixel, the bounding box within a pixel or so of the middle.
    np.testing.assert_allclose(moved[0], np.round(moved[0]), atol=1e-4)
    middle = (moved.min(axis=0) + moved.max(axis=0)) / 2
    assert np.all((middle > 31.0) & (middle < 34.5))


def test_bad_calls_are_told():
    with pytest.raises(UsageError, match="constants"):
        trajectory.sample_trajectory(jax.random.key(0), constants="text")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="iterations"):
        trajectory.sample_trajectory(jax.random.key(0), iterations=1)
    assert jnp.isfinite(trajectory.sample_trajectory(jax.random.key(0), iterations=2)).all()
