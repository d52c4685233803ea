"""GoPro_Large, the data set of real motion blur that DeblurGAN is trained and measured on.

`pairs` reads the unpacked folder as it is; `builder` (imported on demand, it needs TensorFlow
Datasets) makes a `tfds` data set of it.
"""

from deblur_jax.data.gopro.pairs import (
    SPLITS,
    SUBSETS,
    SplitSize,
    default_directory,
    test_pairs,
    train_pairs,
)

__all__ = ["SPLITS", "SUBSETS", "SplitSize", "default_directory", "test_pairs", "train_pairs"]
