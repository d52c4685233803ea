"""What the authors' code did in June 2018 (KupynOrest/DeblurGAN at dd9e940), quirks and all.

    python main.py --config=configs/official_2018.py --workdir=out/official \
        --config.data.pairs=GOPRO_Large --config.data.split=train \
        --config.loss.vgg_weights=vgg19-dcbb9e9d.pth

The flags are those of its README, `--learn_residual` among them, which adds the global skip; the
code's own default is --config.model.output=tanh. The critic's five updates see one batch and one
set of restored pictures, with one alpha for all samples, and a penalty on each pixel's colours of
the gradient of the summed scores. VGG19 is torchvision's, fed with [-1, 1] as they are, tapped in
front of the ReLU. The rate falls at the end of each epoch. Dropout stays on at test there: add
--config.evaluate.dropout=True for that. docs/presets.md has every difference.

Hardware and time: the paper gives 6 days on a Titan X. Score: not run to the end here.
"""

from ml_collections import ConfigDict

from configs import default

EPOCH = 2103  # pairs of GoPro's training set, one an update


def get_config() -> ConfigDict:
    """See the module's docstring."""
    config = default.get_config()
    config.preset = "official_2018"
    config.data.protocol = "half"
    config.data.crop_last = False
    loss = config.loss
    loss.vgg_source = "torchvision"
    loss.vgg_tap = "conv3_3"
    loss.gradient_penalty_norm = "pixel"
    loss.gradient_penalty_reduce = "sum"
    loss.gradient_penalty_alpha = "batch"
    train = config.train
    train.steps = 300 * EPOCH
    train.decay_every = EPOCH
    train.critic_data = "same"
    train.critic_dropout = "generator"
    train.average_decay = 0.0
    config.evaluate.protocol = "half"
    return config
