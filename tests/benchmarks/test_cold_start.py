"""What the cold-start benchmark makes, calls and writes; never how long it takes."""

import json

import pytest
from PIL import Image

from benchmarks import cold_start, folder
from deblur_jax.errors import UserError


def test_the_first_start_has_an_empty_cache_and_counts_by_itself(weights):
    calls = []

    def run(source, output, name, cache):
        with Image.open(source) as image:
            calls.append((image.size, output.name, name, cache.exists()))
        cache.mkdir(exist_ok=True)
        return [9.0, 1.0, 3.0, 2.0][len(calls) - 1]

    found = cold_start.measure(weights, 24, 3, run=run)
    assert [call[1] for call in calls] == ["out0", "out1", "out2", "out3"]  # none is skipped
    assert [call[3] for call in calls] == [False, True, True, True]
    assert {(call[0], call[2]) for call in calls} == {((24, 24), weights)}
    assert found["cold_s"] == 9.0 and found["seconds"] == [1.0, 3.0, 2.0]
    assert found["median_s"] == 2.0 and found["runs"] == 3
    assert "median 2.00 s of 3" in cold_start.sentences(found)
    json.dumps(found)


def test_the_command_writes_its_file(weights, tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "of_command", lambda *_: 1.0)
    monkeypatch.setattr(cold_start.measure, "__kwdefaults__", {"run": folder.of_command})
    target = tmp_path / "start.json"
    given = ["--weights", weights, "--size", "16", "--runs", "2", "--json", str(target)]
    assert cold_start.main(given) == 0
    written = json.loads(target.read_text())
    assert (written["benchmark"], written["height"], written["runs"]) == ("cold_start", 16, 2)
    assert {"device", "versions", "date"} <= set(written)


def test_a_command_that_fails_is_an_error(weights):
    def run(*_):
        raise UserError("restoring a.png failed: no room")

    with pytest.raises(UserError, match="no room"):
        cold_start.measure(weights, 16, 1, run=run)
