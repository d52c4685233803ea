"""What a sweep measures, names, leaves alone and says; the measuring itself is made up."""

import json
from pathlib import Path
from typing import Any

import jax
import pytest

from benchmarks import latency, machine, sweep
from benchmarks.sweep import Case
from deblur_jax.evaluation.device import device_name


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Each call of `latency.measure`, which takes a second a megapixel; `chosen` loads nothing."""
    made: list[dict[str, Any]] = []

    def measure(network: Any, **given: Any) -> dict[str, Any]:
        made.append({"network": network, **given})
        height, width, batch = given["height"], given["width"], given["batch"]
        if height * width * batch > 10_000_000:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")
        median = height * width * batch / 1e6
        return {
            "height": height, "width": width, "batch": batch, "median_s": median,
            "p10_s": median / 2, "p90_s": 2 * median, "seconds_per_picture": median / batch,
            "gflop_per_s": 123.456, "peak_memory_mb": None,
        }  # fmt: skip

    monkeypatch.setattr(latency, "measure", measure)
    monkeypatch.setattr(sweep, "chosen", lambda config, weights: (config, weights))
    return made


def run(folder: Path, *arguments: str) -> int:
    return sweep.main(["--directory", str(folder), *arguments])


def test_every_size_is_measured_with_every_batch_once(
    calls: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = ("--sizes", "1000x500", "200x100", "200x100", "--batches", "4", "1", "--runs", "7")
    folder = tmp_path / "deep"
    assert run(folder, "--precision", "bfloat16", *sizes) == 0
    assert [(c["width"], c["height"], c["batch"]) for c in calls] == [
        (200, 100, 1), (200, 100, 4), (1000, 500, 1), (1000, 500, 4),
    ]  # fmt: skip
    assert {(c["precision"], c["runs"], c["network"]) for c in calls} == {
        ("bfloat16", 7, ("configs/paper.py", None))
    }
    tag = machine.tag(device_name())
    assert {path.name for path in folder.iterdir()} == {
        f"latency_paper_{what}_bfloat16_{tag}.json"
        for what in ("200x100", "200x100_batch4", "1000x500", "1000x500_batch4")
    }
    written = json.loads(
        (folder / f"latency_paper_1000x500_batch4_bfloat16_{tag}.json").read_text()
    )
    assert written["schema"] == 1 and written["median_s"] == 2.0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert lines[-1].split()[:6] == ["1000x500", "4", "2", "1-4", "0.5", "123.5"]
    starts = {line.index("latency_paper") for line in lines[1:]} | {lines[0].index("file")}
    assert len(starts) == 1  # columns stand under each other


def test_what_is_there_stays_unless_it_is_to_be_replaced(
    calls: list[dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sizes = ("--sizes", "200x100", "400x100", "--weights", "a/my weights.safetensors")
    there = tmp_path / sweep.file_name("my-weights", Case(200, 100, 1), "float32", device_name())
    there.write_text("mine")
    assert run(tmp_path, *sizes) == 0
    assert [c["width"] for c in calls] == [400]
    assert calls[0]["precision"] == "float32"
    assert there.read_text() == "mine"
    assert f"{there} is there already" in capsys.readouterr().out
    assert run(tmp_path, *sizes, "--overwrite") == 0
    assert [c["width"] for c in calls] == [400, 200, 400]
    assert json.loads(there.read_text())["median_s"] == 0.02
    monkeypatch.setattr(sweep, "chosen", None)  # what is all there needs no network
    assert run(tmp_path, *sizes) == 0
    assert len(calls) == 3


def test_what_does_not_fit_is_named_and_the_rest_done(
    calls: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "--sizes", "4000x3000", "100x100", "--batches", "1", "2") == 1
    assert len(calls) == 4 and len(list(tmp_path.iterdir())) == 2
    assert capsys.readouterr().err.splitlines() == [
        "python -m benchmarks.sweep: 4000x3000, batch 1: "
        "the device has not enough memory for this size",
        "python -m benchmarks.sweep: 4000x3000, batch 2: "
        "the device has not enough memory for this size",
    ]


def test_other_errors_are_no_lack_of_memory(
    monkeypatch: pytest.MonkeyPatch, calls: list[dict[str, Any]], tmp_path: Path
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise jax.errors.JaxRuntimeError("INTERNAL: a bug")

    monkeypatch.setattr(latency, "measure", broken)
    with pytest.raises(jax.errors.JaxRuntimeError, match="a bug"):
        run(tmp_path, "--sizes", "8x8")


def test_stopped_by_the_user_what_was_measured_stays(
    monkeypatch: pytest.MonkeyPatch,
    calls: list[dict[str, Any]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    once = latency.measure

    def measure(*network: Any, **given: Any) -> dict[str, Any]:
        if given["batch"] == 2:
            raise KeyboardInterrupt
        return once(*network, **given)

    monkeypatch.setattr(latency, "measure", measure)
    assert run(tmp_path, "--sizes", "100x100", "--batches", "1", "2") == 130
    assert len(list(tmp_path.iterdir())) == 1
    assert "interrupted, files that were written stay" in capsys.readouterr().err


def test_names_are_those_of_the_results() -> None:
    case = Case(1280, 720, 1)
    cpu, gpu = "cpu: AMD EPYC 7763 (2 cores)", "gpu: NVIDIA H200"
    paper, best = sweep.model_name("configs/paper.py", None), sweep.model_name("x", "best")
    assert sweep.file_name(paper, case, "float32", cpu) == (
        "latency_paper_1280x720_float32_cpu2.json"
    )
    assert sweep.file_name(best, case._replace(batch=4), "bfloat16", gpu) == (
        "latency_best_1280x720_batch4_bfloat16_h200.json"
    )
    assert sweep.model_name("configs/seed_report.py:vgg19", None) == "seed_report-vgg19"


def test_a_configuration_is_not_taken_for_weights_of_its_name() -> None:
    assert sweep.model_name("configs/fast.py", None) == "fast-random"
    assert sweep.model_name("configs/paper.py", "fast") == "fast"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--sizes", "256"], "no size such as 1280x720"),
        (["--sizes", "0x9"], "no size such as 1280x720"),
        (["--batches", "0"], "--batches"),
        (["--weights", "a", "--config", "b"], "--config"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    arguments: list[str], word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, *arguments) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("python -m benchmarks.sweep: ") and word in last


def test_a_folder_that_cannot_be_written_is_said_before_anything_is_measured(
    calls: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert run(tmp_path / "file", "--sizes", "8x8") == 1
    assert "a file is where a folder should be" in capsys.readouterr().err
    assert calls == []
