"""Both sides train by the same algorithm from the same numbers."""

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.peers import agreement, materials, training
from benchmarks.peers.engines import jax_train
from benchmarks.peers.job import Job
from deblur_jax import losses
from deblur_jax.errors import UsageError, UserError
from deblur_jax.models import critic, generator
from deblur_jax.training import steps
from deblur_jax.weights import authors

SIDE, CRITIC_STEPS = 32, 2
CONFIG = f"""
from configs import paper

def get_config(change=""):
    config = paper.get_config()
    config.model.width = 3
    config.model.blocks = 1
    config.model.critic_width = 3
    config.train.critic_steps = {CRITIC_STEPS}
    if change:
        field, value = change.split("=")
        room, name = field.split(".")
        config[room][name] = type(config[room][name])(value)
    return config
"""


def make_job(folder: Path, part: str = "step", change: str = "") -> Job:
    path = folder / "small.py"
    path.write_text(CONFIG)
    name = f"{path}:{change}" if change else str(path)
    return Job(folder, part, name, None, SIDE, SIDE, 2)


def test_everything_is_the_same_wherever_it_is_prepared(tmp_path: Path) -> None:
    first, second = training.prepare(make_job(tmp_path)), training.prepare(make_job(tmp_path))
    for name in ("state", "batch", "vgg"):
        jax.tree.map(np.testing.assert_array_equal, getattr(first, name), getattr(second, name))
    slices = 1 + CRITIC_STEPS
    assert first.batch["blurred"].shape == (slices, 1, SIDE, SIDE, 3)
    assert first.batch["index"].tolist() == [[number] for number in range(slices)]
    sharp = np.asarray(first.batch["sharp"])
    assert not np.array_equal(sharp[0], sharp[1])
    assert 0.01 < np.abs(sharp - np.asarray(first.batch["blurred"])).mean() < 0.5
    assert first.recipe.generator.dropout == 0 and first.recipe.critic_steps == CRITIC_STEPS
    assert first.recipe.features is not None


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ("train.critic_data=same", "train.critic_data 'same'"),
        ("train.average_decay=0.5", "train.average_decay 0.5"),
        ("loss.pixel_weight=1", "loss.pixel_weight 1.0"),
        ("loss.adversarial_weight=0", "loss.adversarial_weight 0"),
        ("model.generator=unshuffle", "model.generator 'unshuffle'"),
    ],
)
def test_another_algorithm_is_refused(change: str, word: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=word):
        training.configuration(make_job(tmp_path, change=change))


def test_a_network_that_pytorch_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="upsample"):
        training.write(make_job(tmp_path, change="model.upsample=resize_conv"))


def test_pytorch_gets_the_same_numbers(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    setup = training.write(job)
    batch = materials.arrays(job, "batch")
    sharp = np.asarray(setup.batch["sharp"])
    np.testing.assert_array_equal(batch["sharp"], sharp.transpose(0, 1, 4, 2, 3))
    assert batch["alphas"].shape == (CRITIC_STEPS, 1)
    expected = [steps._alphas(setup.recipe, setup.batch["index"][i], 0, None) for i in (1, 2)]
    np.testing.assert_array_equal(batch["alphas"], expected)
    vgg = materials.arrays(job, "vgg")
    assert vgg["features.14.weight"].shape == (256, 256, 3, 3) and len(vgg) == 14
    kernel = np.asarray(setup.vgg["block2_conv1"]["kernel"])
    np.testing.assert_array_equal(vgg["features.5.weight"][7, 5], kernel[:, :, 5, 7])
    words = json.loads((tmp_path / "training.json").read_text())
    assert words["settings"] == {
        "learning_rate": pytest.approx(1e-6), "adam_b1": 0.5, "adam_b2": 0.999,
        "adversarial_weight": 1.0, "perceptual_weight": 100.0, "gradient_penalty_weight": 10.0,
        "gradient_penalty_norm": "sample", "gradient_penalty_reduce": "mean",
    }  # fmt: skip
    assert words["tap"] == "after" and words["critic_width"] == 3


def test_each_call_is_a_step_on_the_same_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = training.prepare(make_job(tmp_path))
    seen: list[Any] = []

    def step(state: int, batch: Any) -> tuple[int, dict[str, Any]]:
        seen.append((state, batch is setup.batch))
        return state + 1, {"loss/generator": jnp.float32(state), "psnr/restored": jnp.zeros(())}

    monkeypatch.setattr(training, "prepare", lambda job: setup._replace(state=0))
    monkeypatch.setattr(jax_train, "_compiled", lambda function, *rest, **options: step)
    engine = jax_train.start(make_job(tmp_path), "")
    engine.compile()
    results = [engine.outputs(engine.call()) for _ in range(3)]
    assert seen == [(0, True), (1, True), (2, True)]
    assert results == [{"loss/generator": number} for number in range(3)]


def test_the_step_is_the_project_s_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = training.prepare(make_job(tmp_path))
    called: list[Any] = []
    monkeypatch.setattr(steps, "train_step", lambda *given, **named: called.append((given, named)))
    monkeypatch.setattr(jax_train, "_compiled", lambda function, *rest, **_: function(*rest))
    jax_train._step(setup).compile()
    assert called == [((setup.state, setup.batch), {"recipe": setup.recipe})]


@pytest.mark.parametrize("part", ["penalty", "generator"])
def test_pieces_are_losses_with_their_gradients(part: str, tmp_path: Path) -> None:
    setup = training.prepare(make_job(tmp_path))
    recipe, state, batch = setup.recipe, setup.state, setup.batch
    engine = jax_train.start(make_job(tmp_path, part), "")
    engine.compile()
    found = engine.outputs(engine.call())
    if part == "penalty":
        config, params = recipe.critic, state.critic
        name = "loss/gradient_penalty"
        alpha = steps._alphas(recipe, batch["index"][1], 0, None)

        def plain(params: Any) -> jax.Array:
            score = lambda x: critic.apply(params, x, recipe.critic)  # noqa: E731
            return losses.gradient_penalty(score, batch["sharp"][1], batch["blurred"][1], alpha)
    else:
        config, params = recipe.generator, state.generator
        name = "loss/mse"

        def plain(params: Any) -> jax.Array:
            restored = generator.apply(params, batch["blurred"][0], recipe.generator)
            return jnp.square(restored - batch["sharp"][0]).mean()

    value, gradients = jax.jit(jax.value_and_grad(plain))(params)
    named = authors.state_dict(config, gradients)
    expected = {name: np.asarray(value)} | {f"gradient/{k}": v for k, v in named.items()}
    assert max(agreement.errors(found, expected).values()) < 1e-4
    assert float(value) > 0


@pytest.mark.parametrize("part", ["step", "penalty", "generator"])
def test_pytorch_has_the_same_losses_and_gradients(part: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from benchmarks.peers.engines import torch_train

    job = make_job(tmp_path, part)
    training.write(job)
    outputs = []
    for module, variant in ((jax_train, ""), (torch_train, ""), (torch_train, "float64")):
        engine = module.start(job, variant)
        engine.compile()
        outputs.append(engine.outputs(engine.call()))
        if part == "step":  # the next one starts where this one ended
            outputs[-1] |= {f"{k} 2": v for k, v in engine.outputs(engine.call()).items()}
    ours, theirs, right = outputs
    names = {"step": 2 * 6, "penalty": 1, "generator": 1}
    assert sum(key.startswith("loss/") for key in right) == names[part]
    assert max(agreement.errors(theirs, right).values()) < 1e-4
    assert max(agreement.errors(ours, right).values()) < 5e-4
    assert right[next(iter(right))].dtype == np.float64


def test_pytorch_updates_both_networks(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from benchmarks.peers.engines import torch_train

    job = make_job(tmp_path)
    training.write(job)
    trainer = torch_train._trainer(job, torch.float32)
    networks = {"generator": trainer._generator, "critic": trainer._critic}
    before = {n: [p.detach().clone() for p in net.parameters()] for n, net in networks.items()}
    features = [p.clone() for p in trainer._features.parameters()]
    batch = {k: torch.tensor(v) for k, v in materials.arrays(job, "batch").items()}
    trainer.step(batch["blurred"], batch["sharp"], batch["alphas"])
    for name, network in networks.items():
        moved = [
            float((new.detach() - old).abs().max())
            for new, old in zip(network.parameters(), before[name], strict=True)
        ]
        updates = 1 if name == "generator" else CRITIC_STEPS
        # Adam's first steps are of the size of the rate, whatever the gradient's.
        assert 0.7 < max(moved) / trainer._settings.learning_rate < updates * 1.3
        assert all(p.requires_grad for p in network.parameters())
    assert all(
        torch.equal(new, old) and not new.requires_grad
        for new, old in zip(trainer._features.parameters(), features, strict=True)
    )
