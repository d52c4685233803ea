"""Pictures in TensorBoard's events, read without TensorFlow, which takes seconds to import.

A file of events is records, each its length (uint64), a checksum of that (4 bytes), the event and
its checksum (4 bytes): TensorFlow's TFRecord.
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from deblur_jax.atomic import reason

MOST_STEPS = 6  # at which pictures are shown
IMAGES = "blurred_restored_sharp"  # the tag that training writes pictures under
FILES = "events.out.tfevents.*"
_HEAD, _FOOT = 12, 4  # bytes before and after an event


@dataclass(frozen=True)
class Frame:
    """Pictures of one step, in a row: uint8[H, W, 3]."""

    step: int
    tag: str
    picture: np.ndarray


def frames(workdir: Path) -> tuple[list[Frame], list[str]]:
    """Pictures evenly over the run, and sentences on what kept others from being read.

    A last event that a crash cut off is passed over. A step that a resumed run wrote again is taken
    from the later file.
    """
    by_step: dict[int, bytes] = {}
    found, trouble = [], []
    for path in sorted(workdir.glob(FILES)):  # named by their time
        try:
            for step, png in _pictures(path):
                by_step[step] = png
        except Exception as error:  # damaged events take nothing from the curves
            trouble.append(f"The pictures in {path.name} cannot all be read ({reason(error)}).")
    steps = sorted(by_step)
    count = min(len(steps), MOST_STEPS)
    for place in sorted({round(i * (len(steps) - 1) / max(count - 1, 1)) for i in range(count)}):
        step = steps[place]
        try:
            picture = np.array(Image.open(io.BytesIO(by_step[step])).convert("RGB"))
        except Exception as error:
            trouble.append(f"The pictures of step {step} are damaged ({reason(error)}).")
        else:
            found.append(Frame(step, IMAGES.replace("_", ", "), picture))
    return found, trouble


def _pictures(path: Path) -> Iterator[tuple[int, bytes]]:
    """(step, PNG) of the first picture that each event holds."""
    for event in _events(path):
        for value in event.summary.value:
            # The strings are width, height, and the pictures.
            if value.tag == IMAGES and len(value.tensor.string_val) > 2:
                yield event.step, value.tensor.string_val[2]


def _events(path: Path) -> Iterator[Any]:
    from tensorboard.compat.proto import event_pb2
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    with path.open("rb") as stream:
        while len(head := stream.read(_HEAD)) == _HEAD:
            if struct.unpack("<I", head[8:])[0] != masked_crc32c(head[:8]):
                raise ValueError("a record's length is damaged")
            length = struct.unpack("<Q", head[:8])[0]
            record = stream.read(length + _FOOT)
            if len(record) < length + _FOOT:
                return  # cut off by a crash
            yield event_pb2.Event.FromString(record[:length])
