"""What the Columbia report's code does at its last commit (yl3829/deblur_tf, 5d0fd0c).

    python main.py --config=configs/seed_code.py --workdir=out/seed_code \
        --config.data.pairs=GOPRO_Large --config.data.split=train

That commit is later than the report and differs from what trained its models; for those see
`seed_report`. Whole frames are squeezed to 256x256, batch norm is everywhere, the critic has no
last convolution and scores restored, sharp and mixed pictures in one pass, the perceptual loss is
an L1 distance. Its VGG19 most likely was random, as its session initialised all variables after
Keras had loaded ImageNet's into another one, and so it is here;
--config.loss.vgg_source=keras takes the real ones. docs/presets.md has every difference.

Hardware, time and score: not run to the end here.
"""

from ml_collections import ConfigDict

from configs import default

EPOCH = 2103  # pairs of GoPro's training set


def get_config() -> ConfigDict:
    """See the module's docstring."""
    config = default.get_config()
    config.preset = "seed_code"
    data = config.data
    data.protocol = "resize256"
    data.protocol_filter = "nearest"
    data.augment = "none"

    model = config.model
    model.norm = "batch"
    model.norm_epsilon = 1e-3
    model.norm_momentum = 0.99
    model.upsample = "transpose_same"
    model.init = "glorot"
    model.critic_norm = "batch"
    model.critic_last_convolution = False

    loss = config.loss
    loss.perceptual = "l1"
    loss.perceptual_weight = 1e5
    loss.vgg_source = "random"
    loss.gradient_penalty_norm = "pixel"
    loss.gradient_penalty_reduce = "sum"
    loss.gradient_penalty_alpha = "batch"

    train = config.train
    train.batch_size = 2
    train.steps = 10 * EPOCH // train.batch_size
    train.schedule = "constant"
    train.critic_data = "same"
    train.critic_batches = "joint"
    train.critic_dropout = "none"
    train.average_decay = 0.0

    config.evaluate.protocol = "resize256"
    config.evaluate.protocol_filter = "nearest"
    return config
