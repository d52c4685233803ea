"""Which trainings and scores the ablation asks for, and what it makes of them."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks import ablation
from deblur_jax.errors import UserError

PSNRS = {"base": (20.0, 22.0, None), "real": (20.0, 19.0), "l1": (None,)}  # None is infinite


@pytest.fixture
def calls():
    return []


@pytest.fixture
def run(calls):
    def run(call, log):
        calls.append(list(call[1:]))
        if "evaluate" in call:
            restored = PSNRS[Path(call[call.index("--weights") + 1]).name]
            entries = [{"blurred": {"psnr": 19.5}, "restored": {"psnr": each}} for each in restored]
            Path(call[call.index("--output") + 1]).write_text(json.dumps({"per_image": entries}))
        return 5.0

    return run


def test_each_variant_is_trained_and_scored_once(calls, run, tmp_path):
    pairs = [Path("crops"), Path("frames")]
    for _ in range(2):
        found = ablation.measure(["base", "real"], Path("data"), tmp_path, pairs, run)
    assert [call[0] for call in calls] == ["main.py", "-m", "-m"] * 2
    assert set(ablation.REAL_ONLY) <= set(calls[3]) and not set(ablation.REAL_ONLY) & set(calls[0])
    assert [call[call.index("--pairs") + 1] for call in calls[1:3]] == ["crops", "frames"]
    base, real = found["rows"]
    assert base["gain_db"]["crops"] == {"mean": 1.5, "least": 0.5}
    assert real["gain_db"]["frames"] == {"mean": 0.0, "least": -0.5} and real["processor_s"] == 5
    table = ablation.sentences(found)
    assert "| `real` | +0.00 (-0.50) | +0.00 (-0.50) | 5 |" in table
    assert len({line.count("|") for line in table.splitlines()}) == 1


def test_pictures_without_a_psnr_are_in_no_mean(run, tmp_path):
    with pytest.raises(UserError, match="not one picture of crops"):
        ablation.measure(["l1"], Path("data"), tmp_path, [Path("crops")], run)
    assert not (tmp_path / "l1.json").exists()


def test_the_configurations_know_every_change(tmp_path):
    from configs import fast

    for name in ablation.VARIANTS:
        for argument in ablation.training(name, Path("data"), tmp_path)[3:]:
            path, _, _ = argument.removeprefix("--config.").partition("=")
            part = fast.get_config()
            for key in path.split("."):
                part = part[key]  # KeyError where it is none


def test_a_command_that_fails_is_named(tmp_path):
    log = tmp_path / "log"
    call = [sys.executable, "-c", "import sys; print('so it is'); sys.exit(3)"]
    with pytest.raises(UserError, match="so it is"):
        ablation.run_command(call, log)
    assert ablation.run_command([sys.executable, "-c", "pass"], log) > 0


def test_the_command_refuses_a_name_that_is_none(capsys):
    call = ["--data", "d", "--workdir", "w", "--pairs", "p", "--only", "nothing"]
    assert ablation.main(call) == 2
    assert "nothing" in capsys.readouterr().err
