"""`deblur-jax deblur` and `export`: what their options do to real files."""

import av
import jax
import numpy as np
import pytest
from PIL import Image

from deblur_jax import cli, images, models
from deblur_jax.images import Picture
from deblur_jax.restore import Restorer
from deblur_jax.restore.treatment import Treatment
from deblur_jax.weights import registry

CONFIG = models.GeneratorConfig(width=4, blocks=1)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    draw = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda: models.init_generator(jax.random.key(0), CONFIG))
    registry.save(path, CONFIG, jax.tree.map(lambda s: draw.normal(0, 0.08, s.shape), shapes))
    return str(path)


@pytest.fixture(scope="module")
def restorer(weights):
    return Restorer(registry.load(weights))


@pytest.fixture
def photo(tmp_path, rng):
    path = tmp_path / "in" / "a.png"
    images.write(path, rng.integers(0, 256, (40, 60, 3), dtype=np.uint8))
    return path


def deblur(weights, *arguments):
    return cli.main(["deblur", *map(str, arguments), "--weights", weights])


@pytest.mark.parametrize(
    ("options", "treatment"),
    [
        (["--strength", "0.3"], Treatment(0.3)),
        (["--luminance-only"], Treatment(luminance_only=True)),
        (["--strength", "0"], Treatment(0.0)),
    ],
)
def test_strength_and_luminance(weights, restorer, photo, tmp_path, options, treatment):
    out = tmp_path / "x.png"
    assert deblur(weights, photo, "--output", out, *options) == 0
    blurred = images.read(photo)
    expected = restorer.restore_picture(blurred, treatment).rgb
    np.testing.assert_array_equal(images.read_rgb(out), expected)
    assert (expected != restorer(blurred.rgb)).any()


def test_a_preview_shows_the_middle_as_it_will_be(weights, photo, tmp_path, capsys):
    out = tmp_path / "out"
    assert deblur(weights, photo, "--output", out, "--preview", 32) == 0
    assert [path.name for path in out.iterdir()] == ["a_preview.png"]
    shown = images.read_rgb(out / "a_preview.png")
    assert shown.shape == (32, 32 + 8 + 32, 3)
    np.testing.assert_array_equal(shown[:, :32], images.read_rgb(photo)[4:36, 14:46])
    assert (shown[:, 40:] != shown[:, :32]).any()
    assert deblur(weights, photo, "--output", tmp_path / "big", "--preview") == 0
    assert images.read_rgb(tmp_path / "big" / "a_preview.png").shape == (40, 60 + 8 + 60, 3)
    assert "sharpness" in capsys.readouterr().err


def test_formats_and_quality(weights, restorer, photo, tmp_path):
    assert deblur(weights, photo, "--output", tmp_path / "out", "--format", "jpeg") == 0
    with Image.open(tmp_path / "out" / "a.jpeg") as written:
        assert written.format == "JPEG"
        found = np.asarray(written).astype(float)
    assert np.abs(found - restorer(images.read_rgb(photo))).mean() < 6
    options = ["--format", "webp", "--quality", "30"]
    assert deblur(weights, photo, "--output", tmp_path / "low", *options) == 0
    assert deblur(weights, photo, "--output", tmp_path / "whole", "--format", "webp") == 0
    low, whole = (tmp_path / name / "a.webp" for name in ("low", "whole"))
    assert low.stat().st_size < whole.stat().st_size / 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--strength", "1.5"], "a strength of 1.5 is not possible"),
        (["--preview", "4"], "a preview of 4 pixels is too small"),
        (["--preview", "64", "--compare"], "a preview is a comparison"),
        (["--quality", "0"], "a quality of 0"),
        (["--max-memory", "lots"], "'lots' is no amount of memory"),
        (["--max-memory", "10M"], "256M is the least"),
        (["--tile", "9"], "a tile of 9 pixels is too small"),
    ],
)
def test_impossible_options(weights, photo, tmp_path, capsys, options, words):
    assert deblur(weights, photo, "--output", tmp_path / "out", *options) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_format_that_cannot_be_written_is_refused_before_work(
    weights, photo, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(images.formats, "can_write", lambda suffix: suffix != ".heic")
    assert deblur(weights, photo, "--output", tmp_path / "out", "--format", "heic") == 2
    assert "heic cannot be written here" in capsys.readouterr().err


def test_a_format_that_the_outputs_name_denies(weights, photo, tmp_path, capsys):
    assert deblur(weights, photo, "--output", tmp_path / "x.png", "--format", "webp") == 2
    assert "ends in .png, but the format is to be webp" in capsys.readouterr().err


def test_two_inputs_for_one_place(weights, photo, tmp_path, capsys):
    other = tmp_path / "other" / "a.png"
    images.write(other, images.read_rgb(photo))
    images.write(tmp_path / "other" / "b.png", images.read_rgb(photo))
    code = deblur(weights, photo, other, tmp_path / "other" / "b.png", "--output", tmp_path / "out")
    said = capsys.readouterr()
    assert code == 1 and "1 done, 2 failed" in said.out
    assert said.err.count("would both be written to") == 2


def test_a_video(weights, restorer, tmp_path, capsys, rng):
    source = tmp_path / "in" / "clip.mkv"
    source.parent.mkdir()
    smooth = np.kron(rng.integers(60, 200, (4, 6, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    with av.open(source, "w") as container:
        stream = container.add_stream("ffv1", rate=10)  # loses nothing
        stream.width, stream.height, stream.pix_fmt = 48, 32, "bgr0"
        for number in range(4):
            frame = av.VideoFrame.from_ndarray(np.roll(smooth, number, 1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    (source.parent / "clip.mp4").write_bytes(b"no video")
    code = deblur(weights, source.parent, "--output", tmp_path / "out")
    said = capsys.readouterr()
    assert code == 1 and said.out.endswith("1 done, 1 failed\n")
    assert "clip.mkv: done in" in said.err and "4 frames restored" in said.err
    with av.open(tmp_path / "out" / "clip.mkv") as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 4
    expected = restorer.restore_picture(Picture(smooth)).rgb.astype(float)
    assert np.abs(frames[0] - expected).mean() < np.abs(smooth - expected).mean() / 2


def test_export_writes_once(weights, tmp_path, capsys):
    target = tmp_path / "deep" / "small.jaxexport"
    call = ["export", "--weights", weights, "--output", str(target), "--platforms", "cpu"]
    assert cli.main(call) == 0
    first = target.read_bytes()
    assert "sha256" in capsys.readouterr().out
    assert cli.main(call) == 0
    assert "was skipped" in capsys.readouterr().out
    assert cli.main([*call, "--overwrite"]) == 0
    assert target.read_bytes() == first
    assert cli.main(["export", "--weights", "nowhere", "--output", str(tmp_path / "x")]) == 1
    assert cli.main(["export", "--weights", weights, "--output", str(tmp_path)]) == 2
