"""The Columbia report's models, as its text describes them, or as its code trained them.

    python main.py --config=configs/seed_report.py:vgg19 --workdir=out/seed_report \
        --config.data.pairs=GOPRO_Large --config.data.split=train

`:vgg19` (also without an argument) and `:vgg16` follow the text: instance norm, random crops, the
mean of input and residual as output, a squared distance in ImageNet's features with a weight of
100000, a penalty over the whole picture, the generator trained alone at first (for how long is not
said; here for one epoch). Where the text is silent, the code at 92c4b76 decides.

`:as_trained` is that code, days younger than the reported models: batch norm, whole frames squeezed
to 256x256, dropout everywhere, a VGG19 that most likely was random, 22 epochs by its log.
docs/presets.md has every difference.

Hardware and time: the report gives 11 hours. Score: it reports 26.77 dB with VGG19 and 25.06 with
VGG16, at 256x256; not run to the end here.
"""

from ml_collections import ConfigDict

from configs import seed_code

VARIANTS = ("vgg19", "vgg16", "as_trained")


def get_config(variant: str = "vgg19") -> ConfigDict:
    """The configuration of one of `VARIANTS`; see the module's docstring."""
    if variant not in VARIANTS:
        raise ValueError(f"seed_report has no variant {variant!r}; it has {', '.join(VARIANTS)}")
    config = seed_code.get_config()
    config.preset = f"seed_report:{variant}"
    config.model.output = "average"
    config.loss.perceptual = "mse"
    train = config.train
    train.critic_dropout = "own"
    if variant == "as_trained":
        train.steps = 22 * seed_code.EPOCH // train.batch_size
        return config

    data = config.data
    data.protocol = "full"
    data.protocol_filter = "bicubic"  # unused at full size
    config.model.norm = "instance"
    loss = config.loss
    loss.vgg = variant
    loss.vgg_source = "keras"
    loss.gradient_penalty_norm = "sample"
    loss.gradient_penalty_reduce = "mean"
    loss.gradient_penalty_alpha = "sample"
    train.steps = 20 * seed_code.EPOCH // train.batch_size
    train.critic_data = "fresh"
    train.pretrain_generator_steps = seed_code.EPOCH // train.batch_size
    return config
