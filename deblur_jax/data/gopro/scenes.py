"""Which scenes GOPRO_Large consists of, and how they are parted.

A scene's name is `GOPR<recording>_<frames averaged>_<number>`: one recording of the camera gave one
or more scenes, and each blurred picture of a scene is the mean of that many frames of it.
"""

from dataclasses import dataclass

# Nah, Kim and Lee (CVPR 2017); the names in KupynOrest/DeblurGAN, threads 101 (train), 106 (test).
_TRAIN = (
    "GOPR0372_07_00",
    "GOPR0372_07_01",
    "GOPR0374_11_00",
    "GOPR0374_11_01",
    "GOPR0374_11_02",
    "GOPR0374_11_03",
    "GOPR0378_13_00",
    "GOPR0379_11_00",
    "GOPR0380_11_00",
    "GOPR0384_11_01",
    "GOPR0384_11_02",
    "GOPR0384_11_03",
    "GOPR0384_11_04",
    "GOPR0385_11_00",
    "GOPR0386_11_00",
    "GOPR0477_11_00",
    "GOPR0857_11_00",
    "GOPR0868_11_01",
    "GOPR0868_11_02",
    "GOPR0871_11_01",
    "GOPR0881_11_00",
    "GOPR0884_11_00",
)
# Held out of train by us, since the authors name no validation split. No other scene of train is
# of one of these three recordings, so none of them is half seen in training.
_VALIDATION = ("GOPR0380_11_00", "GOPR0857_11_00", "GOPR0884_11_00")
_TEST = (
    "GOPR0384_11_00",
    "GOPR0384_11_05",
    "GOPR0385_11_01",
    "GOPR0396_11_00",
    "GOPR0410_11_00",
    "GOPR0854_11_00",
    "GOPR0862_11_00",
    "GOPR0868_11_00",
    "GOPR0869_11_00",
    "GOPR0871_11_00",
    "GOPR0881_11_01",
)

SPLITS = ("train", "train_fit", "validation", "test")


@dataclass(frozen=True)
class Contents:
    """What a complete data set holds.

    Attributes:
        train: scenes under train/, `train_pairs` pairs in all of them.
        validation: those scenes of `train` that are kept from fitting.
        test: scenes under test/, `test_pairs` pairs in all of them.
    """

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    train_pairs: int
    test_pairs: int

    def scenes(self, split: str) -> tuple[str, ...]:
        """The scenes of a split: `train`, its parts `train_fit` and `validation`, or `test`."""
        if split == "train_fit":
            return tuple(scene for scene in self.train if scene not in self.validation)
        return {"train": self.train, "validation": self.validation, "test": self.test}[split]

    def pairs_in(self, folder: str) -> int:
        """How many pairs the folder `train` or `test` holds."""
        return {"train": self.train_pairs, "test": self.test_pairs}[folder]


GOPRO = Contents(_TRAIN, _VALIDATION, _TEST, train_pairs=2103, test_pairs=1111)


def folder_of(split: str) -> str:
    """Which of the two folders, `train` or `test`, a split's scenes lie in."""
    return "test" if split == "test" else "train"


def frames_averaged(scene: str) -> int:
    """How many frames a blurred picture of the scene is the mean of: 7, 11 or 13.

    SeungjunNah/DeepDeblur_release, thread 59: it is the number in the middle of the name.
    """
    return int(scene.split("_")[1])


def recording(scene: str) -> str:
    """The recording that a scene was cut from, such as `GOPR0384`."""
    return scene.split("_")[0]
