"""The door to LPIPS and NIQE, with a pyiqa and a PyTorch that only look at what they are given."""

import contextlib
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
from pictures import twins

from deblur_jax.errors import UsageError, UserError
from deblur_jax.evaluation.metrics.perceptual import NAMES, Perceptual

OPTIONS = {
    "lpips": {"net": "alex", "version": "0.1"},
    "niqe": {
        "test_y_channel": True, "color_space": "yiq", "crop_border": 0, "version": "original",
    },
}  # fmt: skip
FILES = {
    "lpips": ["checkpoints/alexnet-owt-7be5be79.pth", "pyiqa/LPIPS_v0.1_alex-df73285e.pth"],
    "niqe": ["pyiqa/niqe_modelparameters.mat"],
}


class LinAlgError(RuntimeError):
    pass


class Fake:
    """Stands for pyiqa and torch: `made` and `given` say what they were asked."""

    def __init__(self, hub: Path) -> None:
        self.hub = hub
        self.made: list[tuple[str, dict[str, Any]]] = []
        self.given: list[tuple[str, list[np.ndarray]]] = []
        self.gradients = True
        self.fails_with: Exception | None = None
        self.values: dict[str, Any] = {"lpips": np.array([[0.25]]), "niqe": np.array(4.5)}

    @contextlib.contextmanager
    def no_grad(self) -> Iterator[None]:
        self.gradients = False
        yield
        self.gradients = True

    def create_metric(self, name: str, **options: Any) -> Any:
        print('Downloading: "the weights"')
        if self.fails_with is not None:
            raise self.fails_with
        self.made.append((name, options))

        def measure(*batches: Any) -> Any:
            assert not self.gradients
            self.given.append((name, list(batches)))
            if isinstance(self.values[name], Exception):
                raise self.values[name]
            return self.values[name]

        return measure


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Fake:
    fake = Fake(tmp_path / "hub")
    torch = types.SimpleNamespace(
        from_numpy=lambda array: array,  # a tensor made of an array wants no gradient
        no_grad=fake.no_grad,
        hub=types.SimpleNamespace(get_dir=lambda: str(fake.hub)),
        linalg=types.SimpleNamespace(LinAlgError=LinAlgError),
    )
    pyiqa = types.SimpleNamespace(create_metric=fake.create_metric)
    monkeypatch.setitem(sys.modules, "torch", torch)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "pyiqa", pyiqa)  # type: ignore[arg-type]
    return fake


def test_what_is_asked_and_given(fake: Fake, capsys: pytest.CaptureFixture) -> None:
    picture, reference = twins("coffee", (96, 200))
    measures = Perceptual(("niqe", "lpips", "niqe"))
    common = {"as_loss": False, "device": "cpu"}
    assert fake.made == [(name, common | OPTIONS[name]) for name in ("niqe", "lpips")]
    for _ in range(2):  # loaded once, measured as often as wanted
        assert list(measures(picture, reference).items()) == [("niqe", 4.5), ("lpips", 0.25)]
    assert len(fake.made) == 2
    (niqe, lpips) = fake.given[:2]
    assert (niqe[0], len(niqe[1])) == ("niqe", 1)
    assert (lpips[0], len(lpips[1])) == ("lpips", 2)
    for batch, expected in zip([*niqe[1], *lpips[1]], [picture, picture, reference], strict=True):
        assert batch.shape == (1, 3, 96, 200)
        assert batch.dtype == np.float32
        assert batch.flags.c_contiguous
        for y, x, channel in [(0, 0, 0), (95, 199, 2), (17, 130, 1)]:
            assert batch[0, channel, y, x] == pytest.approx(expected[y, x, channel] / 255, abs=1e-7)
        assert 0 <= batch.min() < batch.max() <= 1
    assert capsys.readouterr().out == "", "results may be written to standard output"


@pytest.mark.parametrize(
    ("size", "defined"),
    [
        ((11, 11), []),
        ((30, 400), []),
        ((31, 31), ["lpips"]),
        ((96, 191), ["lpips"]),
        ((95, 400), ["lpips"]),
        ((96, 192), ["lpips", "niqe"]),
        ((192, 96), ["lpips", "niqe"]),
    ],
)
def test_none_where_a_picture_is_too_small(
    fake: Fake, size: tuple[int, int], defined: list[str]
) -> None:
    found = Perceptual(NAMES)(*twins("noise", size))
    assert list(found) == list(NAMES)
    assert [name for name in NAMES if found[name] is not None] == defined
    assert [name for name, _ in fake.given] == defined


@pytest.mark.parametrize("odd", [np.array(np.nan), np.array(np.inf), LinAlgError("not finite")])
def test_what_is_no_number_is_none(fake: Fake, odd: Any) -> None:
    fake.values["niqe"] = odd
    assert Perceptual(NAMES)(*twins("flat", (96, 192))) == {"lpips": 0.25, "niqe": None}


def test_another_failure_is_not_hidden(fake: Fake) -> None:
    fake.values["lpips"] = RuntimeError("out of memory")
    with pytest.raises(RuntimeError, match="out of memory"):
        Perceptual(["lpips"])(*twins("flat", (96, 192)))


def test_other_shapes_and_types_are_refused(fake: Fake) -> None:
    picture, reference = twins("noise", (48, 64))
    for wrong in (reference[:-1], reference / 255):
        with pytest.raises(ValueError):
            Perceptual(NAMES)(picture, wrong)


def test_an_unknown_name_is_a_wrong_call() -> None:
    with pytest.raises(UsageError, match=r"^no measure 'dists': choose of lpips, niqe$"):
        Perceptual(["lpips", "dists"])


def test_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyiqa", None)  # type: ignore[arg-type]
    with pytest.raises(UserError) as raised:
        Perceptual(NAMES)
    assert str(raised.value) == (
        "LPIPS and NIQE need pyiqa, which is not installed: pip install 'deblur-jax[perceptual]'"
    )
    assert Perceptual(())(*twins("noise", (5, 7))) == {}


@pytest.mark.parametrize(
    "body", ["import no_such_module_here", "raise RuntimeError('operator nms does not exist')"]
)
def test_installed_but_broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str) -> None:
    (tmp_path / "pyiqa.py").write_text(body)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "pyiqa", raising=False)
    with pytest.raises(UserError, match="pyiqa is installed but cannot be loaded") as raised:
        Perceptual(NAMES)
    reason = "No module named 'no_such_module_here'" if "import" in body else "operator nms"
    assert reason in str(raised.value)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (URLError(OSError("Name or service not known")), "Name or service not known"),
        (
            OSError("We couldn't connect to the hub.\nSee its help"),
            "We couldn't connect to the hub.",
        ),
        (PermissionError(13, "Permission denied"), "[Errno 13] Permission denied"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_weights_that_cannot_be_had(fake: Fake, name: str, error: Exception, reason: str) -> None:
    fake.fails_with = error
    with pytest.raises(UserError) as raised:
        Perceptual([name])
    said = str(raised.value)
    assert "\n" not in said
    assert said.startswith(f"{name} lacks {fake.hub / FILES[name][0]} (from ")
    assert all(str(fake.hub / file) in said for file in FILES[name])
    assert said.endswith(f" cannot be fetched now: {reason}")


def test_only_the_missing_file_is_named(fake: Fake) -> None:
    there, missing = FILES["lpips"]
    (fake.hub / there).parent.mkdir(parents=True)
    (fake.hub / there).touch()
    fake.fails_with = URLError("unreachable")
    with pytest.raises(UserError) as raised:
        Perceptual(["lpips"])
    assert str(raised.value) == (
        f"lpips lacks {fake.hub / missing} (from huggingface.co/chaofengc/IQA-PyTorch-Weights), "
        "and it cannot be fetched now: unreachable"
    )


def test_damaged_weights(fake: Fake) -> None:
    file = fake.hub / FILES["niqe"][0]
    file.parent.mkdir(parents=True)
    file.write_bytes(b"cut off")
    fake.fails_with = ValueError("Unknown mat file type, version 117, 116")
    with pytest.raises(UserError) as raised:
        Perceptual(["niqe"])
    assert str(raised.value) == (
        f"niqe cannot be made of {file} (Unknown mat file type, version 117, 116): delete what is "
        "damaged and it is fetched anew"
    )


def test_it_tells_what_its_scores_hold(fake: Fake) -> None:
    measure = Perceptual(["niqe", "lpips", "niqe"])
    assert measure.names == ("niqe", "lpips")
    assert set(measure(*twins("noise", (96, 192)))) == set(measure.names)
