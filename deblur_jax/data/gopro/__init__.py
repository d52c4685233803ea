"""GoPro_Large, the data set of real motion blur that DeblurGAN is trained and measured on.

`python -m deblur_jax.data.gopro` fetches and unpacks it, `pairs` reads the unpacked folder as it
is, and `builder` (imported on demand, it needs TensorFlow Datasets) makes a `tfds` data set of it.
"""

from deblur_jax.data.gopro.pairs import (
    SUBSETS,
    default_directory,
    split_pairs,
    test_pairs,
    train_pairs,
)
from deblur_jax.data.gopro.scenes import GOPRO, SPLITS, Contents

__all__ = [
    "GOPRO",
    "SPLITS",
    "SUBSETS",
    "Contents",
    "default_directory",
    "split_pairs",
    "test_pairs",
    "train_pairs",
]
