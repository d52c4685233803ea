"""Beginning and end: addresses, ports, signals, weights that fail, clients that still wait."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from serving import WAIT, Fake, Served, png, read_raw, served, until

from deblur_jax.errors import UsageError, UserError
from deblur_jax.images import Picture
from deblur_jax.web.serve import run
from deblur_jax.web.serve.run import address_of, listen

HERE = Path(__file__).parent
CHILD = """
import sys, threading
sys.path.insert(0, {here!r})
from serving import Fake
from deblur_jax.web.serve import run
run(lambda: {fake}, port=0, say=lambda sentence: print(sentence, flush=True))
print("ended well")
"""


@contextlib.contextmanager
def child(fake: str = "Fake()") -> Iterator[tuple[subprocess.Popen, Served]]:
    """A server in a process of its own, once it listens."""
    started = subprocess.Popen(
        [sys.executable, "-c", CHILD.format(here=str(HERE), fake=fake)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        assert started.stdout is not None
        said = started.stdout.readline()
        host, port = said.removeprefix("listening on http://").split(" ")[0].split(":")
        assert host == "127.0.0.1"
        yield started, Served(None, int(port))  # type: ignore[arg-type]
    finally:
        started.kill()
        started.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_well(number: signal.Signals) -> None:
    with child() as (started, server):
        assert server.restore(png()).status == 200
        started.send_signal(number)
        out, err = started.communicate(timeout=WAIT)
    assert (out, err, started.returncode) == ("ended well\n", "", 0)


def test_a_second_signal_does_not_wait_for_the_picture() -> None:
    # The gate stays shut even for the small picture that the weights are tried on.
    with child("Fake(threading.Event())") as (started, server):
        head = f"POST /api/restore HTTP/1.1\nHost: localhost\nContent-Length: {len(png())}\n\n"
        with server.raw(head, png()) as opened:
            until(lambda: server.queue["waiting"] == 1)
            started.send_signal(signal.SIGTERM)
            assert read_raw(opened).error == "the server is stopping"
        with pytest.raises(subprocess.TimeoutExpired):
            started.wait(0.5)
        started.send_signal(signal.SIGTERM)
        assert started.wait(WAIT) == -signal.SIGTERM


def test_who_waits_is_told_that_it_stops() -> None:
    fake = Fake(threading.Event())
    with ThreadPoolExecutor(2) as pool:
        with served(lambda: fake) as server:
            answers = [pool.submit(server.restore, png(number)) for number in range(2)]
            until(lambda: server.queue["waiting"] == 1)
            server.server.should_exit = True
            told = [answer.result(WAIT) for answer in answers]
            fake.gate.set()  # the tile that is under way is waited for
        assert [(each.status, each.error) for each in told] == [(503, "the server is stopping")] * 2


def test_a_port_that_is_taken() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError) as refused:
            run(Fake, port=port)
    assert str(refused.value) == (
        f"cannot listen on 127.0.0.1:{port}: the port is taken; name another one with --port, or "
        "0 for a free one"
    )


def test_a_host_and_a_port_that_are_none() -> None:
    with pytest.raises(UserError, match=r"cannot listen on nowhere\.invalid:0: "):
        listen("nowhere.invalid", 0)
    with pytest.raises(UsageError, match="there is no port 70000"):
        listen("127.0.0.1", 70000)
    with pytest.raises(UsageError):
        run(Fake, port=0, max_megabytes=-1)


def test_weights_that_cannot_be_loaded_end_it() -> None:
    def load() -> Fake:
        raise UserError("there are no weights 'none'")

    said: list[str] = []
    with pytest.raises(UserError, match="there are no weights 'none'"):
        run(load, port=0, say=said.append)


def test_addresses() -> None:
    with listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        assert address_of(listening) == (f"http://127.0.0.1:{port}", True)
    with listen("0.0.0.0", 0) as listening:
        address, loopback = address_of(listening)
        assert not loopback
        assert address == f"http://{socket.gethostname()}:{listening.getsockname()[1]}"


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
def test_an_address_of_ipv6() -> None:
    try:
        listening = listen("::1", 0)
    except UserError:
        pytest.skip("no IPv6 on the loopback")
    with listening:
        assert address_of(listening) == (f"http://[::1]:{listening.getsockname()[1]}", True)


def test_other_than_the_loopback_is_warned_of() -> None:
    said: list[str] = []

    def load() -> Fake:
        raise UserError("enough")

    with pytest.raises(UserError, match="enough"):
        run(load, host="0.0.0.0", port=0, say=said.append)
    assert said[0].startswith("warning: http://")
    assert "without password" in said[0]


def test_the_weights_are_tried_before_anybody_comes() -> None:
    fake = Fake()
    fake.restore_picture = Failing()  # type: ignore[method-assign]
    with pytest.raises(UserError, match="not this machine"):
        run(lambda: fake, port=0, say=lambda _sentence: None)
    assert fake.restore_picture.sizes == [(64, 64, 3)]


class Failing:
    """Restores nothing; knows what it was asked to."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, ...]] = []

    def __call__(self, picture: Picture, *_rest: object) -> Picture:
        self.sizes.append(picture.rgb.shape)
        raise UserError("not this machine")
