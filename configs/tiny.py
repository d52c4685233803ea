"""A smoke run of everything: generator, critic, penalty, checkpoints; under a minute on two cores.

    python main.py --config=configs/tiny.py --workdir=out/tiny

Without --config.data.pairs=DIR it blurs the photographs that scikit-image bundles. It is far too
small and short to restore anything, so it has no score.
"""

from ml_collections import ConfigDict

from configs import default


def get_config() -> ConfigDict:
    """See the module's docstring."""
    config = default.get_config()
    config.preset = "tiny"
    data = config.data
    data.placement = "device"
    data.crop = 64
    data.photographs = "scikit-image"
    data.synthetic = 16
    data.synthetic_size = 96
    # One kind of blur compiles once.
    data.shares.update({"camera": 0.0, "trajectory": 1.0, "paper": 0.0})
    config.model.width = 8
    config.model.blocks = 2
    config.model.critic_width = 8
    config.loss.pixel_weight = 1.0
    config.loss.perceptual_weight = 0.0
    config.loss.adversarial_weight = 0.01
    train = config.train
    train.steps = 40
    train.batch_size = 2
    train.critic_steps = 2
    train.pretrain_generator_steps = 10
    train.log_every = 5
    train.checkpoint_every = 20
    train.images_every = 20
    train.average_decay = 0.9
    return config
