"""What a training step is compared on: its configuration, and for PyTorch its numbers as files."""

import json
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks import config_file, random_values
from benchmarks.peers import materials
from benchmarks.peers.job import Job
from deblur_jax.errors import UsageError
from deblur_jax.training import steps
from deblur_jax.training.recipe import make_recipe
from deblur_jax.training.state import Recipe, TrainState
from deblur_jax.weights import authors
from deblur_jax.weights import vgg as vgg_weights

# Sides in pixels of the pictures that each part is compared on.
SIZES = {"step": 128, "penalty": 256, "generator": 128}
# Where torchvision's VGG has the convolutions up to conv3_3.
_VGG_PLACES = (0, 2, 5, 7, 10, 12, 14)
# What `torch_step` does; other configurations would be compared with another algorithm.
_WANTED = {
    "model.generator": "resnet",
    "model.critic_norm": "instance",
    "loss.pixel_weight": 0.0,
    "loss.perceptual": "mse",
    "loss.vgg_preprocessing": "none",
    "train.critic_data": "fresh",
    "train.critic_batches": "separate",
    "train.weight_decay": 0.0,
    "train.clip_norm": 0.0,
    "train.average_decay": 0.0,
    "train.warmup_steps": 0,
    "train.precision": "float32",
}
# Adam's first updates are of the rate's size wherever a gradient is not zero, be it nothing but
# rounding: at the paper's 1e-4 five of the critic's part float32 from float64 by 2e-3 of a loss.
_LEARNING_RATE = 1e-6
_SHIFT = 37  # pixels between the windows of a photograph that the slices show


class Setup(NamedTuple):
    """A step that is ready.

    Attributes:
      recipe: what it does.
      state: at step 0, the same in every process.
      batch: slices as `steps.train_step` takes them.
      vgg: the weights of the perceptual loss.
    """

    recipe: Recipe
    state: TrainState
    batch: steps.Batch
    vgg: vgg_weights.Params


def configuration(job: Job) -> Any:
    """The job's configuration without dropout, on batches of one, with random VGG or the file's.

    The learning rate is _LEARNING_RATE, which takes as long as any other.

    Raises:
      UsageError: PyTorch's step here is not the one that it describes.
    """
    config = config_file.load(job.config).copy_and_resolve_references()
    for field, wanted in _WANTED.items():
        room, name = field.split(".")
        if config[room][name] != wanted:
            raise UsageError(
                f"{job.config} has {field} {config[room][name]!r}; the step that is compared here "
                f"has {wanted!r}"
            )
    for field in ("perceptual_weight", "adversarial_weight"):
        if not config.loss[field]:
            raise UsageError(f"{job.config} has loss.{field} 0; the step compared here has it")
    config.model.dropout = 0.0
    config.evaluate.dropout = False
    config.train.pretrain_generator_steps = 0
    config.train.batch_size = 1
    config.train.learning_rate = _LEARNING_RATE
    config.data.crop = job.height
    config.loss.vgg_weights = job.vgg_weights
    if not job.vgg_weights:
        config.loss.vgg_source = "random"
    return config


def prepare(job: Job) -> Setup:
    """Everything that a step needs, from nothing but the job; raises as `configuration`.

    The whole comes out the same wherever it is called.
    """
    config = configuration(job)
    recipe = make_recipe(config)
    loss = config.loss
    vgg = vgg_weights.load(loss.vgg, loss.vgg_source, loss.vgg_weights, seed=config.seed)
    sharp = np.stack(
        [materials.photograph(job.height, job.width, _SHIFT * i) for i in range(recipe.slices)]
    )
    blurred = np.stack([materials.streaked(picture) for picture in sharp])
    index = np.arange(recipe.slices, dtype=np.uint32)[:, None]
    batch = {"blurred": blurred[:, None], "sharp": sharp[:, None], "index": index}
    return Setup(recipe, random_values.train_state(recipe), jax.device_put(batch), vgg)


def write(job: Job) -> Setup:
    """Writes for PyTorch what `prepare` gives; raises as that, and UserError for a network that
    PyTorch does not have here."""
    setup = prepare(job)
    recipe, state, batch, vgg = setup
    materials.write_arrays(job, "generator", authors.state_dict(recipe.generator, state.generator))
    materials.write_arrays(job, "critic", authors.state_dict(recipe.critic, state.critic))
    materials.write_arrays(job, "vgg", _torchvision(vgg))
    pairs = {name: np.moveaxis(np.asarray(batch[name]), -1, 2) for name in ("blurred", "sharp")}
    alphas = [steps._alphas(recipe, index, 0, None) for index in batch["index"][1:]]
    materials.write_arrays(job, "batch", pairs | {"alphas": np.stack(alphas)})
    fields = (
        "adam_b1", "adam_b2", "adversarial_weight", "perceptual_weight", "gradient_penalty_weight",
        "gradient_penalty_norm", "gradient_penalty_reduce",
    )  # fmt: skip
    words = {
        "generator": recipe.generator.to_dict(),
        "critic_width": recipe.critic.width,
        "tap": "after" if configuration(job).loss.vgg_tap == "relu3_3" else "before",
        "settings": {name: getattr(recipe, name) for name in fields}
        | {"learning_rate": float(recipe.learning_rate(state.step))},
    }
    (job.folder / "training.json").write_text(json.dumps(words))
    return setup


def _torchvision(vgg: vgg_weights.Params) -> dict[str, np.ndarray]:
    """Kernels as [O, I, 3, 3], by torchvision's names."""
    found = {}
    for place, layer in zip(_VGG_PLACES, vgg.values(), strict=True):
        found[f"features.{place}.weight"] = np.asarray(layer["kernel"]).transpose(3, 2, 0, 1)
        found[f"features.{place}.bias"] = np.asarray(layer["bias"])
    return found
