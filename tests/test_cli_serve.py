"""`deblur-jax serve`: the command itself, and that it restores as `deblur` does."""

import http.client
import signal
import subprocess
import sys

import jax
import numpy as np
import pytest

from deblur_jax import cli, images, models
from deblur_jax.cli import build_parser
from deblur_jax.web.serve.limits import Limits
from deblur_jax.weights import registry

CONFIG = models.GeneratorConfig(width=4, blocks=1)


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "small.safetensors"
    draw = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda: models.init_generator(jax.random.key(0), CONFIG))
    registry.save(path, CONFIG, jax.tree.map(lambda s: draw.normal(0, 0.08, s.shape), shapes))
    return str(path)


def test_the_page_and_the_command_give_the_same_bytes(weights, tmp_path, rng):
    source = tmp_path / "a.jpg"
    images.write(source, rng.integers(0, 256, (40, 60, 3), dtype=np.uint8))
    call = ["deblur", str(source), "--output", str(tmp_path / "out"), "--weights", weights]
    assert cli.main(call) == 0
    server = subprocess.Popen(
        [sys.executable, "-m", "deblur_jax", "serve", "--port", "0", "--weights", weights],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        said = server.stdout.readline()
        address = said.removeprefix("listening on http://").split(" ")[0]
        connection = http.client.HTTPConnection(address.strip("/"), timeout=60)
        connection.request("POST", "/api/restore", body=source.read_bytes())
        answer = connection.getresponse()
        assert answer.status == 200 and answer.headers["Content-Type"] == "image/jpeg"
        assert answer.read() == (tmp_path / "out" / "a.jpg").read_bytes()
        connection.request("GET", "/")
        assert b"<!doctype html>" in connection.getresponse().read().lower()
        connection.close()
    finally:
        server.send_signal(signal.SIGTERM)
        errors = server.communicate(timeout=30)[1]
    assert server.returncode == 0 and "Traceback" not in errors


def test_the_limits_are_the_servers():
    args = build_parser().parse_args(["serve"])
    assert args.max_megabytes == Limits.megabytes
    assert args.max_megapixels == Limits.megapixels
    assert args.max_waiting == Limits.waiting
    assert args.host == "127.0.0.1"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--port", "70000"], "port"),
        (["--max-megabytes", "0"], "megabytes"),
        (["--max-waiting", "-1"], "leave none to answer"),
    ],
)
def test_impossible_options(options, words, capsys):
    assert cli.main(["serve", *options]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1
