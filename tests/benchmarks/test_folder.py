"""What the folder benchmark makes, calls and writes; never how long it takes."""

import json

import numpy as np
import pytest
from PIL import Image

from benchmarks import folder
from deblur_jax.errors import UserError


def test_pictures_differ_in_size_and_format(tmp_path):
    paths = folder.make_pictures(tmp_path, 8, folder.draw_sizes(5))
    sizes = set()
    for path in paths:
        with Image.open(path) as image:
            assert image.format == ("PNG" if path.suffix == ".png" else "JPEG")
            assert folder.SIDES[0] <= min(image.size) and max(image.size) <= folder.SIDES[1]
            sizes.add(image.size)
    assert len(paths) == 8 and len(sizes) == 5


def test_what_is_measured(weights, tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "SIDES", (16, 40))
    calls = []

    def run(source, output, name, cache):
        calls.append((len(list(source.iterdir())), output.name, name, cache.exists()))
        cache.mkdir(exist_ok=True)
        return 10.0 * len(calls)

    found = folder.measure(weights, 3, 2, run=run)
    assert calls == [(3, "cold", weights, False), (3, "warm", weights, True)]
    assert (found["cold_s"], found["warm_s"]) == (10.0, 20.0)
    assert found["overhead"] == pytest.approx(20 / found["network_s"] - 1)
    assert (found["pictures"], found["sizes"]) == (3, 2) and found["network_s"] > 0
    assert "3 pictures" in folder.sentences(found)
    json.dumps(found)


def test_the_command_is_the_real_one(weights, tmp_path):
    (tmp_path / "in").mkdir()
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / "in" / "a.png")
    out, cache = tmp_path / "out", tmp_path / "cache"
    assert folder.of_command(tmp_path / "in", out, weights, cache) > 0
    assert [path.name for path in out.iterdir()] == ["a.png"] and any(cache.iterdir())
    (tmp_path / "in" / "b.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"restoring .* failed"):
        folder.of_command(tmp_path / "in", out, weights, cache)
