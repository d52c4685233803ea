"""The light generator with under a million parameters.

    python main.py --config=configs/fast.py --workdir=out/fast --config.data.root=DATA

As `small`, which is for training on CPUs, but on the data of `best` and in larger batches. The
weights `fast` were trained on two CPU cores with smaller crops and batches; their card has the
commands, the times and the scores.
"""

from ml_collections import ConfigDict

from configs import best


def get_config() -> ConfigDict:
    """See the module's docstring."""
    config = best.get_config()
    config.preset = "fast"
    model = config.model
    model.generator = "unshuffle"
    model.width = 44
    model.blocks = 5
    # Ahead of the PSNR in short runs: docs/recipe.md.
    config.loss.pixel = "charbonnier"
    config.loss.perceptual_weight = 0.0
    # Charbonnier's loss is some hundred times smaller than a PSNR's.
    config.loss.grid_weight = 0.005
    config.loss.adversarial_weight = 0.0
    train = config.train
    train.steps = 20_000
    train.batch_size = 32
    train.pretrain_generator_steps = 0
    return config
