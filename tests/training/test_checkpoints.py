"""Checkpoints: everything comes back, a part can be read, and what is broken is named."""

from pathlib import Path

import jax
import numpy as np
import pytest

from deblur_jax.errors import UsageError, UserError
from deblur_jax.models import CriticConfig, GeneratorConfig
from deblur_jax.training import resume
from deblur_jax.training.state import Recipe, init_state
from deblur_jax.weights import registry
from deblur_jax.weights.checkpoints import FOLDER, Checkpoints

GENERATOR = GeneratorConfig(generator="unshuffle", width=4, blocks=1, norm="none", dropout=0.0)
RECIPE = Recipe(GENERATOR, CriticConfig(width=2), lambda step: 0.0, average_decay=0.9)  # type: ignore[arg-type, return-value]
META = {"generator": GENERATOR.to_dict(), "averaged": True}


def saved(workdir: Path, steps: tuple[int, ...] = (3,)) -> dict:
    state = init_state(jax.random.key(1), RECIPE)._asdict()
    checkpoints = Checkpoints(workdir, keep=2)
    for step in steps:
        checkpoints.save(step, state, META)
    checkpoints.close()
    return state


def test_everything_comes_back_bit_for_bit(tmp_path: Path) -> None:
    state = saved(tmp_path)
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.latest() == 3 and checkpoints.meta(3) == META
    back = checkpoints.restore(3, state)
    assert jax.tree.structure(back) == jax.tree.structure(state)
    jax.tree.map(np.testing.assert_array_equal, back, state)


def test_only_the_latest_are_kept(tmp_path: Path) -> None:
    saved(tmp_path, (1, 2, 3))
    assert sorted(int(p.name) for p in (tmp_path / FOLDER).iterdir()) == [2, 3]


def test_weights_of_a_workdir_are_the_averaged_ones(tmp_path: Path) -> None:
    state = init_state(jax.random.key(1), RECIPE)
    state = state._replace(average=jax.tree.map(lambda a: a + 1, state.average))
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(7, state._asdict(), META)
    checkpoints.close()
    weights = registry.load(tmp_path)
    assert weights.config == GENERATOR and weights.name.endswith("@7")
    jax.tree.map(np.testing.assert_array_equal, weights.params, state.average)


def test_no_checkpoint_and_no_workdir_are_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not the workdir"):
        registry.load(tmp_path)
    Checkpoints(tmp_path).close()
    with pytest.raises(UserError, match="no complete checkpoint"):
        registry.load(tmp_path)


def test_a_save_that_was_cut_off_is_not_listed(tmp_path: Path) -> None:
    saved(tmp_path)
    (tmp_path / FOLDER / "9.orbax-checkpoint-tmp-1").mkdir()
    assert Checkpoints(tmp_path).latest() == 3


def test_what_a_checkpoint_lacks_is_named_and_nothing_is_set_aside(tmp_path: Path) -> None:
    """Else Orbax would give whatever the memory held."""
    saved(tmp_path, (2, 3))
    state = init_state(jax.random.key(1), RECIPE._replace(optimizer="muon"))
    with pytest.raises(UsageError, match=r"checkpoint 3 in .* has no generator_moments/"):
        resume.newest(Checkpoints(tmp_path), state)
    assert sorted(int(p.name) for p in (tmp_path / FOLDER).iterdir()) == [2, 3]
    # Less than all of it is read as before.
    found = Checkpoints(tmp_path).restore(3, {"generator": state.generator})
    jax.tree.map(np.testing.assert_array_equal, found["generator"], state.generator)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    state = saved(tmp_path)
    for path in (tmp_path / FOLDER / "3" / "state").rglob("*"):
        if path.is_file() and "METADATA" not in path.name.upper():
            path.write_bytes(b"")
    with pytest.raises(UserError, match="cannot read checkpoint 3"):
        Checkpoints(tmp_path).restore(3, state)


def test_a_file_in_place_of_the_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(UserError, match="cannot open"):
        Checkpoints(tmp_path / "run")
