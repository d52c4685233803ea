"""The balance of the losses: each measure by numpy or by hand, and the whole mode on a tiny run."""

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from configs import tiny
from deblur_jax.errors import UsageError, UserError
from deblur_jax.models import apply_critic, apply_generator, vgg
from deblur_jax.training import balance, calibrate, steps
from deblur_jax.training.loop import train
from deblur_jax.training.recipe import critic_config, generator_config, make_recipe
from deblur_jax.training.state import init_state


def small_config(**fields: Any) -> Any:
    config = tiny.get_config()
    config.data.synthetic, config.data.crop = 4, 16
    config.model.dropout = 0.0
    config.loss.perceptual_weight, config.loss.vgg_source = 2.0, "random"
    config.train.batch_size = jax.device_count()
    config.calibrate.batches, config.calibrate.critic_updates = 2, 1
    config.update_from_flattened_dict(fields)
    return config


def term(weight: float, gradient: float) -> dict[str, float]:
    return {"weight": weight, "size": 1.0, "gradient": gradient}


def test_the_proposed_weight_evens_the_gradients_out() -> None:
    terms = {"perceptual": term(100.0, 0.5), "adversarial": term(2.0, 0.25), "pixel": term(1, 9)}
    found = balance.proposal(terms, wanted=3.0)
    assert found["against"] == "adversarial"
    assert found["ratio"] == pytest.approx(100 * 0.5 / (2 * 0.25))
    assert found["proposed"] * 0.5 / (2 * 0.25) == pytest.approx(3.0)
    del terms["adversarial"]
    assert balance.proposal(terms, 1.0)["ratio"] == pytest.approx(100 * 0.5 / 9)
    with pytest.raises(UserError, match="the pixel or the perceptual term has no gradient"):
        balance.proposal(terms | {"pixel": term(1.0, 0.0)}, 1.0)


def test_what_the_mode_measures_and_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = small_config()
    found = calibrate.calibrate_run(config, tmp_path)
    assert json.loads((tmp_path / "calibration.json").read_text()) == found
    assert set(found["terms"]) == {"pixel", "perceptual", "adversarial"}
    assert found["step"] == 0 and found["critic_updates"] == 1 and found["vgg_source"] == "random"
    printed = capsys.readouterr().out
    for words in ("random vgg19", f"{found['proposed']:.3g}", "adversarial", "after 1 updates"):
        assert words in printed

    # The same by plain functions: the second batch's numbers are among the means.
    recipe = make_recipe(config)
    state = init_state(jax.random.key(config.seed), recipe)
    batches = list(taken(config, recipe, 3))
    state, _ = jax.jit(lambda s, b: steps.critic_step(s, b, recipe=recipe))(state, batches[0])
    network, scorer = generator_config(config), critic_config(config)
    features = vgg.init_random(jax.random.key(config.seed))

    def sizes(restored: jax.Array, sharp: jax.Array) -> dict[str, jax.Array]:
        seen = [vgg.apply(features, x, preprocessing="none") for x in (restored, sharp)]
        return {
            "pixel": abs(restored - sharp).mean(),
            "perceptual": ((seen[0] - seen[1]) ** 2).mean(),
            "adversarial": -apply_critic(state.critic, restored, scorer).mean(),
        }

    @jax.jit
    def by_hand(batch: dict) -> tuple[dict, dict]:
        restored = apply_generator(state.generator, batch["blurred"], network)
        return sizes(restored, batch["sharp"]), jax.jacrev(sizes)(restored, batch["sharp"])

    each = [by_hand(batch) for batch in batches[1:]]
    for name, measured in found["terms"].items():
        size = np.mean([float(values[name]) for values, _ in each])
        gradient = np.mean([np.sqrt(np.square(np.float64(g[name])).sum()) for _, g in each])
        assert measured["size"] == pytest.approx(size, rel=1e-3, abs=1e-6)
        assert measured["gradient"] == pytest.approx(gradient, rel=1e-3)
        assert measured["weight"] == config.loss[f"{name}_weight"]


def taken(config: Any, recipe: Any, count: int) -> Any:
    from deblur_jax.data import training_set
    from deblur_jax.training.feed import Feed

    data = training_set.gather(config.data, seed=config.seed, report=lambda line: None)
    return Feed(config, recipe, data).take(count, 0)  # from the host; the run's is on the device


def test_a_run_s_lines_say_weight_and_ratio(tmp_path: Path) -> None:
    config = small_config(
        **{"train.steps": 2, "train.log_every": 1, "train.images_every": 0,
           "train.pretrain_generator_steps": 2}
    )  # fmt: skip
    write_calibration(config, tmp_path)
    assert train(config, tmp_path) == 0
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert len(lines) == 2
    for line in lines:
        assert line["weight/perceptual"] == 2.0
        # 2.0 times 0.5 against the configuration's 0.01 times 0.25
        assert line["weight/gradient_ratio"] == pytest.approx(400.0)


def write_calibration(config: Any, workdir: Path, **changes: Any) -> None:
    terms = {"perceptual": term(9.0, 0.5), "adversarial": term(9.0, 0.25)}
    found = {"terms": terms, "against": "adversarial"} | balance.setting(config) | changes
    (workdir / "calibration.json").write_text(json.dumps(found))


def test_the_ratio_is_of_this_loss_or_left_out(tmp_path: Path) -> None:
    config = small_config()
    assert balance.logged(tmp_path, config) == {"weight/perceptual": 2.0}
    write_calibration(config, tmp_path, vgg_source="keras")
    assert balance.logged(tmp_path, config) == {"weight/perceptual": 2.0}
    write_calibration(config, tmp_path)
    config.loss.adversarial_weight = 0.5
    assert balance.logged(tmp_path, config)["weight/gradient_ratio"] == pytest.approx(8.0)
    config.loss.perceptual_weight = 0.0
    assert balance.logged(tmp_path, config) == {}


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"terms": {',
        "[" * 100_000,
        json.dumps(
            {
                "against": "pixel",
                "terms": {"perceptual": term(1.0, float("nan")), "pixel": term(1.0, 1.0)},
            }
            | balance.setting(tiny.get_config())
        ),
        '{"against": "pixel", "terms": {"perceptual": {"gradient": 1' + "0" * 401 + "}}}",
    ],
)
def test_a_calibration_that_is_damaged_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "calibration.json").write_text(text)
    with pytest.raises(UserError, match=r"cannot read .*calibration\.json") as raised:
        balance.logged(tmp_path, small_config())
    assert "\n" not in str(raised.value)


def test_a_critic_that_was_not_trained_yet_is_trained_first(tmp_path: Path) -> None:
    """By a run that only pretrained, and at the rate itself, whatever warm-up there is."""
    config = small_config(
        **{"train.steps": 2, "train.pretrain_generator_steps": 4, "train.images_every": 0}
    )
    config.loss.vgg_source = "random"
    config.train.warmup_steps = 10_000
    assert train(config, tmp_path / "run") == 0
    found = calibrate.calibrate_run(config, tmp_path / "run")
    assert (found["step"], found["critic_updates"]) == (2, 1)
    config.calibrate.critic_updates = 0
    without = calibrate.calibrate_run(config, tmp_path / "run")
    gradients = [f["terms"]["adversarial"]["gradient"] for f in (found, without)]
    assert abs(gradients[0] - gradients[1]) > 1e-3 * gradients[1]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"loss.perceptual_weight": 0.0}, "there is no perceptual term to weigh"),
        ({"loss.adversarial_weight": 0.0, "loss.pixel_weight": 0.0}, "stands alone"),
        ({"calibrate.batches": 0}, "calibrate.batches must be at least 1"),
        ({"calibrate.ratio": -1.0}, "calibrate.ratio is -1.0"),
    ],
)
def test_what_cannot_be_measured_is_a_usage_error(
    fields: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=words):
        calibrate.calibrate_run(small_config(**fields), tmp_path)
    assert not list(tmp_path.iterdir())
