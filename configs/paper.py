"""DeblurGAN as the paper describes it (arXiv 1711.07064): GoPro, batches of one, 300 epochs.

    python main.py --config=configs/paper.py --workdir=out/paper \
        --config.data.pairs=GOPRO_Large --config.data.split=train

Where the paper is silent the authors' code at dd9e940 decides, with these departures, which are the
paper's own words or WGAN-GP's, on which it builds: the penalty's norm is over the whole picture and
of the mean score, alpha is drawn for each sample, each critic update has pairs of its own, and the
perceptual loss stands behind the activation. VGG19's weights are Keras', fetched on first use; the
authors' are torchvision's (see `official_2018`). docs/presets.md has every difference.

Frames are halved before they are cropped, as the paper does with GoPro's; for pictures that are
halved already give --config.data.protocol=full.

Hardware and time: the paper gives 6 days on a Titan X. Score: not run to the end here.
"""

from ml_collections import ConfigDict

from configs import default


def get_config() -> ConfigDict:
    """See the module's docstring."""
    config = default.get_config()
    config.preset = "paper"
    config.data.protocol = "half"
    config.train.average_decay = 0.0
    config.evaluate.protocol = "half"
    return config
