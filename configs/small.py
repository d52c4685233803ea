"""A light generator for CPUs, trained with a pixel loss alone.

    python main.py --config=configs/small.py --workdir=out/small --config.data.root=DATA

DATA is a folder with the real pairs named below and `sharp/photos`; own pairs take their place with
--config.data.pairs=DIR. To see what is trained on, sheets and statistics of every kind of pairs:

    python main.py --config=configs/small.py --workdir=out/small --config.data.root=DATA \
        --mode=prepare

Hardware and time: 1 h 43 min on two cores of an AMD EPYC that other work shared (2026-11-23).
Score of that run, which had version 1 of the synthetic pairs, by
`deblur-jax evaluate --protocol full`: 23.72 dB on 8 GoPro test frames (blurred 23.22), 25.38 dB on
21 crops of such frames (24.95), 24.29 dB on 10 REDS frames (24.06).
"""

from ml_collections import ConfigDict

from configs import default

# Real pairs and their times an epoch: large frames hold more crops, and frames at GoPro's full size
# are the closest to what users bring. About two fifths of the samples are real.
MIXTURE = (
    ("gopro_train", 40),
    ("gopro_train_half", 8),
    ("reds/train", 30),
    ("reds_crops256", 5),
    ("street_crops256", 5),
)


def get_config() -> ConfigDict:
    """See the module's docstring."""
    config = default.get_config()
    config.preset = "small"
    data = config.data
    data.placement = "device"
    data.crop = 128
    data.augment = "dihedral"
    data.mixture = MIXTURE
    data.photographs = "sharp/photos"
    data.synthetic = 2800
    data.match_means = True
    data.mixture_validation = "gopro_dev/test_crops256"

    model = config.model
    model.generator = "unshuffle"
    model.width = 64
    model.blocks = 5
    model.norm = "none"
    model.dropout = 0.0

    loss = config.loss
    loss.pixel = "charbonnier"
    loss.pixel_weight = 1.0
    loss.perceptual_weight = 0.0
    loss.adversarial_weight = 0.0

    train = config.train
    train.steps = 13_000
    train.batch_size = 8
    train.learning_rate = 5e-4
    train.decay_start = 0.4
    train.warmup_steps = 200
    train.adam_b1 = 0.9
    train.clip_norm = 0.5
    train.average_decay = 0.999
    train.checkpoint_every = 500
    train.validate_every = 500
    return config
