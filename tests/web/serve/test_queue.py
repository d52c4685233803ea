"""Many at once: in order, bounded, none lost; who leaves is dropped, and memory is given back."""

import gc
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from serving import WAIT, Answer, Fake, Served, pixels, png, rgb, served, until

from deblur_jax import images
from deblur_jax.images import Picture
from deblur_jax.web.serve.limits import Limits

TICKET = "0123456789abcdef"
POST = "POST /api/restore HTTP/1.1\nHost: localhost\n"


def posted(server: Served, body: bytes, ticket: str = ""):
    """A connection on which a picture has been sent."""
    head = POST + f"Content-Length: {len(body)}\n" + (f"X-Ticket: {ticket}\n" if ticket else "")
    return server.raw(head + "\n", body)


def test_pictures_are_restored_in_the_order_in_which_they_came() -> None:
    fake = Fake(threading.Event())
    with served(lambda: fake) as server, ThreadPoolExecutor(6) as pool:
        answers = []
        for number in range(6):
            answers.append(pool.submit(server.restore, png(number)))
            until(
                lambda n=number: server.queue["served"] == n + 1 and not server.queue["uploading"]
            )
        assert server.queue["restoring"] == 1
        assert server.queue["waiting"] == 5
        assert fake.begun == [0]  # one at a time
        fake.gate.set()
        for number, answer in enumerate(answers):
            assert np.array_equal(rgb(answer.result(WAIT).body), 255 - pixels(number))
    assert fake.begun == [0, 1, 2, 3, 4, 5]


def test_more_than_the_server_takes_are_told_when_to_come_back() -> None:
    fake = Fake(threading.Event())
    with served(lambda: fake, Limits(waiting=3)) as server, ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(server.restore, png(number)) for number in range(3)]
        until(lambda: server.queue["served"] == 3)
        refused = server.restore(png())
        assert refused.status == 503
        assert "3 requests are being served already" in refused.error
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        fake.gate.set()
        assert [answer.result(WAIT).status for answer in answers] == [200] * 3
        assert server.restore(png()).status == 200


def test_bytes_that_are_held_are_bounded() -> None:
    fake = Fake(threading.Event())
    with served(lambda: fake, Limits(megabytes=1)) as server:
        held = [server.raw(POST + "Content-Length: 1000000\n\n") for _ in range(4)]
        until(lambda: server.queue["uploading"] == 4)
        refused = server.restore(png())
        assert refused.status == 503
        assert "memory" in refused.error
        held.pop().close()
        until(lambda: server.queue["uploading"] == 3)
        fake.gate.set()
        assert server.restore(png()).status == 200
        for opened in held:
            opened.close()


def test_chunks_reserve_what_they_may_grow_to() -> None:
    with served(limits=Limits(megabytes=1)) as server:
        held = [server.raw(POST + "Transfer-Encoding: chunked\n\n") for _ in range(4)]
        until(lambda: server.queue["uploading"] == 4)
        assert server.restore(png()).status == 503
        for opened in held:
            opened.close()
        until(lambda: server.queue["served"] == 0)


def test_thirty_clients_at_once_all_get_their_own_picture() -> None:
    with served() as server, ThreadPoolExecutor(30) as pool:
        start = threading.Barrier(30)

        def client(number: int) -> Answer:
            start.wait(WAIT)
            return server.restore(png(number))

        for number, answer in enumerate(pool.map(client, range(30))):
            assert answer.status == 200
            assert np.array_equal(rgb(answer.body), 255 - pixels(number))
        assert server.queue["served"] == 0


def test_a_hundred_at_once_are_bounded_and_all_are_answered() -> None:
    fake = Fake(threading.Event())
    with served(lambda: fake, Limits(waiting=10)) as server, ThreadPoolExecutor(100) as pool:
        start = threading.Barrier(100)

        def client(number: int) -> Answer:
            start.wait(WAIT)
            return server.restore(png(number))

        answers = [pool.submit(client, number) for number in range(100)]
        until(lambda: sum(answer.done() for answer in answers) == 90)
        assert server.queue["served"] == 10
        fake.gate.set()
        found = [answer.result(WAIT) for answer in answers]
        for number, answer in enumerate(found):
            if answer.status == 200:
                assert np.array_equal(rgb(answer.body), 255 - pixels(number))
            else:
                assert (answer.status, "retry-after" in answer.headers) == (503, True)
        assert sum(answer.status == 200 for answer in found) == 10
        assert server.queue["served"] == 0


def test_the_server_answers_while_it_restores() -> None:
    fake = Fake(threading.Event())
    with served(lambda: fake) as server, posted(server, png()):
        until(lambda: fake.begun)
        for path in ("/healthz", "/", "/api/queue"):
            assert server.ask("GET", path).status == 200
        assert server.ask("GET", "/healthz").json["status"] == "ok"
        assert server.ask("POST", "/api/preview", png()).status == 200  # needs no device
        fake.gate.set()


def test_it_listens_while_the_weights_are_loaded() -> None:
    loading = threading.Event()

    def load() -> Fake:
        assert loading.wait(WAIT)
        return Fake()

    with served(load) as server, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(server.restore, png())
        until(lambda: server.queue["waiting"] == 1)
        told = server.ask("GET", "/healthz")
        assert (told.status, told.json["weights"]["state"]) == (200, "loading")
        assert server.queue["restoring"] == 0
        loading.set()
        assert answer.result(WAIT).status == 200
        assert server.ask("GET", "/healthz").json["weights"]["state"] == "ready"


def ask_for(server: Served, ticket: str) -> dict:
    return server.ask("GET", f"/api/queue/{ticket}").json


def test_a_ticket_tells_how_far_its_request_is() -> None:
    gate = threading.Event()
    fake = Fake(threading.Event(), tiles=4)
    fake.gate.wait = lambda _seconds: gate.wait(WAIT)  # type: ignore[method-assign]
    with served(lambda: fake) as server:
        body = png(1)
        unknown = {"state": "unknown", "ahead": 0, "share": 0.0, "estimated": False}
        assert ask_for(server, TICKET) == unknown
        head = POST + f"Content-Length: {len(body)}\nX-Ticket: {TICKET}\n\n"
        with server.raw(head, body[: len(body) // 2]) as first:
            until(lambda: ask_for(server, TICKET)["state"] == "uploading")
            until(lambda: ask_for(server, TICKET)["share"] > 0.4)
            first.sendall(body[len(body) // 2 :])
            until(lambda: ask_for(server, TICKET)["state"] == "restoring")
            with posted(server, png(2), "second-in-line"), posted(server, png(3), "third-in-line"):
                until(lambda: server.queue["waiting"] == 2)
                told = [ask_for(server, f"{each}-in-line") for each in ("second", "third")]
                assert {each["state"] for each in told} == {"waiting"}
                assert sorted(each["ahead"] for each in told) == [1, 2]
                gate.set()
                until(lambda: ask_for(server, TICKET) == unknown)


def test_the_share_is_what_the_tiles_tell() -> None:
    steps = threading.Semaphore(0)
    fake = Fake(threading.Event(), tiles=4)
    fake.gate.wait = lambda _seconds: steps.acquire(timeout=WAIT)  # type: ignore[method-assign]
    with served(lambda: fake) as server, posted(server, png(), TICKET):
        for share in (0.25, 0.5, 0.75):
            steps.release()
            until(lambda s=share: ask_for(server, TICKET)["share"] == s)
            assert ask_for(server, TICKET)["estimated"] is False
        steps.release()
        until(lambda: server.queue["served"] == 0)


def test_without_tiles_the_share_is_a_guess_by_earlier_pictures() -> None:
    fake = Fake()
    with served(lambda: fake) as server:
        assert server.restore(png()).status == 200
        fake.gate = threading.Event()
        with posted(server, png(), TICKET):
            until(lambda: ask_for(server, TICKET)["share"] == 0.95)  # no more before it is done
            assert ask_for(server, TICKET)["estimated"] is True
            fake.gate.set()


def test_a_ticket_is_one_requests() -> None:
    fake = Fake(threading.Event())
    with served(lambda: fake) as server, posted(server, png(), TICKET):
        until(lambda: server.queue["served"] == 1)
        assert server.restore(png(), **{"X-Ticket": TICKET}).status == 409
        fake.gate.set()
        until(lambda: server.queue["served"] == 0)
        assert server.restore(png(), **{"X-Ticket": TICKET}).status == 200


def test_who_leaves_the_line_is_not_restored() -> None:
    fake = Fake(threading.Event())
    with served(lambda: fake) as server:
        with posted(server, png(1)) as first:
            until(lambda: fake.begun == [1])
            with posted(server, png(2)):
                until(lambda: server.queue["waiting"] == 1)
            until(lambda: server.queue["waiting"] == 0)
            assert server.queue["served"] == 1
            fake.gate.set()
            assert first.recv(12) == b"HTTP/1.1 200"
        assert server.restore(png(3)).status == 200
    assert fake.begun == [1, 3]


def test_who_leaves_while_restored_is_ended_between_tiles() -> None:
    steps = threading.Semaphore(0)
    fake = Fake(threading.Event(), tiles=1000)
    fake.gate.wait = lambda _seconds: steps.acquire(timeout=WAIT)  # type: ignore[method-assign]
    with served(lambda: fake) as server:
        with posted(server, png(1)):
            steps.release()
            assert fake.tile_done.acquire(timeout=WAIT)
        until(lambda: server.queue["served"] == 0)
        assert server.queue["restoring"] == 1  # its tile is still under way
        steps.release()
        until(lambda: server.queue["restoring"] == 0)
        assert not fake.tile_done.acquire(timeout=0.05)
        until(lambda: fake.held[0]() is None)  # without a collector's help


def test_a_picture_is_let_go_once_it_is_answered() -> None:
    fake = Fake()
    gc.disable()
    try:
        with served(lambda: fake) as server:
            assert server.restore(png()).status == 200
            until(lambda: fake.held[0]() is None)
            assert server.restore(b"\x89PNG\r\n\x1a\n" + bytes(99)).status == 415
    finally:
        gc.enable()


def test_memory_is_back_where_it_was() -> None:
    body = png(1, 200, 200)  # 120 kB
    with served() as server, ThreadPoolExecutor(8) as pool:

        def some(count: int) -> int:
            for answer in pool.map(lambda _: server.restore(body), range(count)):
                assert answer.status == 200
            del answer
            for _ in range(10):  # and some that leave
                with posted(server, body):
                    pass
            until(lambda: server.queue["served"] == server.queue["restoring"] == 0)
            gc.collect()
            return tracemalloc.get_traced_memory()[0]

        tracemalloc.start()
        try:
            before = some(20)
            after = some(100)
        finally:
            tracemalloc.stop()
    assert after - before < 2 * len(body)  # of 110 pictures


def test_results_that_are_not_fetched_hold_the_line() -> None:
    fake = Fake()
    flat = images.to_bytes(Picture(np.zeros((1500, 1500, 3), np.uint8)), ".png")
    head = POST.replace("restore ", "restore?format=bmp ") + f"Content-Length: {len(flat)}\n\n"
    limits = Limits(megabytes=1, silent_seconds=WAIT)
    with served(lambda: fake, limits) as server, ThreadPoolExecutor(1) as pool:
        reader = server.raw(head, flat)  # of whose 7 MB of BMP it takes none; 4 may wait
        until(lambda: fake.begun and server.queue["restoring"] == 0)
        answer = pool.submit(server.restore, png(5))
        until(lambda: server.queue["waiting"] == 1)
        time.sleep(0.1)
        assert len(fake.begun) == 1
        reader.close()
        assert answer.result(WAIT).status == 200
