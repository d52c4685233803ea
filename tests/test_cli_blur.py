"""`deblur-jax blur` looks at its options whether or not a picture is left to be blurred."""

from pathlib import Path

import numpy as np
import pytest

from deblur_jax import cli, images


@pytest.fixture
def photo(tmp_path: Path, rng: np.random.Generator) -> Path:
    path = tmp_path / "in.png"
    images.write(path, images.Picture(rgb=rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)))
    return path


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--jpeg", "0"], "JPEG quality must be from 1 to 100, not 0"),
        (["--method", "median", "--kernel-size", "4"], "4"),
        (["--method", "gaussian", "--exposure", "0.5"], "exposure belongs to the method"),
    ],
)
@pytest.mark.parametrize("there", ["done", "unreadable"])
def test_wrong_options_are_refused_though_no_picture_is_blurred(
    options: list[str], sentence: str, there: str, photo: Path, tmp_path: Path, capsys
) -> None:
    out = tmp_path / "out.png"
    if there == "done":
        out.write_bytes(b"done before")
    else:
        photo.write_bytes(b"no picture")
    assert cli.main(["blur", str(photo), "--output", str(out), *options]) == 2
    assert sentence in capsys.readouterr().err
    assert (out.read_bytes() == b"done before") if there == "done" else not out.exists()


def test_right_options_and_a_picture_that_is_done_are_a_success(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.png"
    out.write_bytes(b"done before")
    options = ["--method", "gaussian", "--kernel-size", "3"]
    assert cli.main(["blur", str(photo), "--output", str(out), *options]) == 0
    assert "1 skipped" in capsys.readouterr().out and out.read_bytes() == b"done before"
