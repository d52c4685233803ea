"""GoPro_Large as a TensorFlow Datasets builder: `gopro/linear` and `gopro/gamma`.

Importing this module registers the builder, so that `tfds.load("gopro/linear")` finds it. Its
splits are `train_fit`, `validation`, `test`, and `train`, which is the first two together.

`train` takes no room of its own: its files are hard links to those of its parts, and copies of
them (some 4 GB) only on a disk that knows no links. What counts over all splits, `split="all"` and
`info.dataset_size`, has the training pairs twice. The parts lie one after the other in `train`, so
pass `shuffle_files=True`, or shuffle well, to train on it.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from deblur_jax.data import prepared
from deblur_jax.data.gopro import pairs as gopro_pairs
from deblur_jax.data.gopro.fetch import ZIP, fetch
from deblur_jax.data.gopro.scenes import GOPRO, Contents
from deblur_jax.data.pairs import Pair, pair_size

STORED = ("train_fit", "validation", "test")
_PARTS_OF_TRAIN = ("train_fit", "validation")

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
    Nothing need be done: what is missing is fetched. Who has {ZIP} (about 9 GB, from
    {gopro_pairs.HOMEPAGE}) or the unpacked {gopro_pairs.FOLDER} puts it here.
    """
    # What a complete data set holds; the tests' smaller tree of the same shape has other numbers.
    CONTENTS: ClassVar[Contents] = GOPRO

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
        folder = self._folder(dl_manager)
        subset = self.builder_config.name
        splits = {
            split: gopro_pairs.split_pairs(folder, split, subset, contents=self.CONTENTS)
            for split in STORED
        }
        return {split: self._generate_examples(pairs) for split, pairs in splits.items()}

    def _folder(self, dl_manager: tfds.download.DownloadManager) -> Path:
        """The data set as found unpacked, or unpacked from a zip, or downloaded and unpacked."""
        try:
            manual = Path(os.fspath(dl_manager.manual_dir))
        except AssertionError:  # the way in which tfds says that it is not there, or empty
            manual = None
        if manual is not None and gopro_pairs.is_begun(gopro_pairs.unpacked(manual)):
            return manual
        archive = manual / ZIP if manual is not None else None
        return fetch(
            Path(os.fspath(dl_manager.download_dir)) / "gopro",
            archive=archive if archive is not None and archive.exists() else None,
            contents=self.CONTENTS,
            say=print,
        )

    def _generate_splits(self, dl_manager: Any, download_config: Any) -> Sequence[Any]:
        stored = list(super()._generate_splits(dl_manager, download_config))
        parts = [split for split in stored if split.name in _PARTS_OF_TRAIN]
        train = tfds.core.SplitInfo(
            name="train",
            shard_lengths=[length for part in parts for length in part.shard_lengths],
            num_bytes=sum(part.num_bytes for part in parts),
            filename_template=self._get_filename_template("train"),
        )
        shards = [path for part in parts for path in part.filepaths]
        for shard, path in zip(shards, train.filepaths, strict=True):
            _link(os.fspath(shard), os.fspath(path))
        return [train, *stored]

    def _post_download_and_prepare_hook(self) -> None:
        """Lists the pairs' names, so that `data.records` need not read every picture for them."""
        if self.info.file_format is tfds.core.FileFormat.ARRAY_RECORD:
            prepared.write_names(self.data_path)

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


def _link(shard: str, path: str) -> None:
    try:
        os.link(shard, path)
    except OSError:
        shutil.copyfile(shard, path)
