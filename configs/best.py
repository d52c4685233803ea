"""What we would train today on GoPro: a pixel loss first, then critic and perceptual loss on top.

    python main.py --config=configs/best.py --workdir=out/best \
        --config.data.pairs=GOPRO_Large --config.data.split=train_fit \
        --config.data.validation=GOPRO_Large --config.data.validation_split=validation

Hardware, time and score: not run to the end here.
"""

from ml_collections import ConfigDict

from configs import default


def get_config() -> ConfigDict:
    """See the module's docstring."""
    config = default.get_config()
    config.preset = "best"
    config.data.augment = "dihedral"
    config.model.dropout = 0.0
    config.model.upsample = "pixel_shuffle"
    config.loss.pixel = "charbonnier"
    config.loss.pixel_weight = 1.0
    config.loss.vgg_preprocessing = "caffe"
    # A feature's squared difference is some 1e5 times a pixel's: this keeps the terms on one scale.
    config.loss.perceptual_weight = 1e-5
    config.loss.adversarial_weight = 0.01
    train = config.train
    train.steps = 200_000
    train.batch_size = 16
    train.pretrain_generator_steps = 150_000
    train.critic_steps = 1
    train.learning_rate = 2e-4
    train.schedule = "cosine"
    train.warmup_steps = 1000
    train.adam_b1 = 0.9
    train.clip_norm = 1.0
    train.precision = "bfloat16"
    return config
