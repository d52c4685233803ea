"""GoPro_Large as a TensorFlow Datasets builder: `gopro/linear` and `gopro/gamma`.

Importing this module registers the builder, so that `tfds.load("gopro/linear")` finds it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from deblur_jax.data.gopro import pairs as gopro_pairs
from deblur_jax.data.gopro.pairs import SplitSize
from deblur_jax.data.pairs import Pair, pair_size

_DESCRIPTION = """
Pairs of a motion-blurred and a sharp photograph, 1280x720 pixels. The blurred one is the mean of
consecutive frames of a 240 fps video from a GOPRO4 Hero Black, the sharp one the frame in their
middle. 2103 pairs from 22 sequences to train with, 1111 pairs from 11 sequences to test.

Licence: Creative Commons Attribution 4.0 International (CC BY 4.0), by Seungjun Nah, Tae Hyun Kim
and Kyoung Mu Lee.
"""

_CITATION = """
@inproceedings{nah2017deep,
  title     = {Deep Multi-Scale Convolutional Neural Network for Dynamic Scene Deblurring},
  author    = {Nah, Seungjun and Kim, Tae Hyun and Lee, Kyoung Mu},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition (CVPR)},
  year      = {2017}
}
"""


@dataclass(kw_only=True)
class GoproConfig(tfds.core.BuilderConfig):
    """Which of the two blurred versions; the name is a key of `SUBSETS`."""


class Gopro(tfds.core.GeneratorBasedBuilder):
    """The builder. Examples: `blurred` and `sharp` uint8[H, W, 3], `scene` and `name` strings."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "First release."}
    BUILDER_CONFIGS: ClassVar[list[tfds.core.BuilderConfig]] = [
        GoproConfig(name="linear", description="Frames averaged as stored (`blur/`)."),
        GoproConfig(
            name="gamma",
            description="Frames averaged in linear light, taking a gamma of 2.2 (`blur_gamma/`).",
        ),
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"""
    Get GOPRO_Large.zip (about 9 GB) from {gopro_pairs.HOMEPAGE} and unpack it here, so that there
    is {gopro_pairs.FOLDER}/train/<scene>/{{blur,blur_gamma,sharp}}/ and the same under test/.
    """
    # What a complete data set holds; a smaller tree of the same shape needs other numbers.
    SPLIT_SIZES: ClassVar[Mapping[str, SplitSize]] = gopro_pairs.SPLITS

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "blurred": tfds.features.Image(shape=(None, None, 3)),
                    "sharp": tfds.features.Image(shape=(None, None, 3)),
                    "scene": tfds.features.Text(),
                    "name": tfds.features.Text(),
                }
            ),
            supervised_keys=("blurred", "sharp"),
            homepage=gopro_pairs.HOMEPAGE,
            citation=_CITATION,
            license="CC BY 4.0",
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        """Raises UserError where scenes or pairs are missing, before anything is written."""
        splits = {
            split: gopro_pairs.split_pairs(
                dl_manager.manual_dir, split, self.builder_config.name, size
            )
            for split, size in self.SPLIT_SIZES.items()
        }
        return {split: self._generate_examples(pairs) for split, pairs in splits.items()}

    def _generate_examples(self, pairs: list[Pair]) -> Iterator[tuple[str, dict[str, str]]]:
        for pair in pairs:
            pair_size(pair)  # twins of different sizes are refused by name
            # A path, not pixels: the files' own bytes are stored, not encoded a second time.
            yield (
                pair.name,
                {
                    "blurred": str(pair.blurred),
                    "sharp": str(pair.sharp),
                    "scene": pair.scene,
                    "name": pair.name,
                },
            )
