"""A report's files: told apart, named, checked, and refused in one sentence."""

from pathlib import Path

import pytest
from report_files import evaluation, latency, write

from deblur_jax.errors import UsageError, UserError
from deblur_jax.report.documents import read_all

GAINS = {"a/1.png": 1.0, "b/2.png": -0.5}


def test_files_are_told_apart_by_what_they_hold(tmp_path: Path) -> None:
    kohler = evaluation(GAINS, protocol="kohler")
    study = {"rows": [], "kernels": {}, "summary": [], "conclusion": "", "weights": {"name": "w"}}
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n')
    found = read_all(
        [
            write(tmp_path / "a.json", evaluation(GAINS)),
            write(tmp_path / "b.json", kohler),
            write(tmp_path / "c.json", study),
            write(tmp_path / "d.json", latency(10, 10, 0.1)),
            str(tmp_path / "metrics.jsonl"),
        ]
    )
    assert [source.path.name for source in found.evaluations] == ["a.json"]
    assert [source.path.name for source in found.kohler] == ["b.json"]
    assert [source.path.name for source in found.kernel_studies] == ["c.json"]
    assert [source.path.name for source in found.benchmarks] == ["d.json"]
    assert found.trainings == [tmp_path / "metrics.jsonl"]


def test_a_workdir_gives_its_results_and_its_log(tmp_path: Path) -> None:
    write(tmp_path / "run" / "results.json", evaluation(GAINS))
    (tmp_path / "run" / "metrics.jsonl").write_text("")
    found = read_all([str(tmp_path / "run")])
    assert len(found.evaluations) == len(found.trainings) == 1
    with pytest.raises(UsageError, match="a folder without results"):
        read_all([str(tmp_path)])


def test_models_of_one_name_are_told_apart(tmp_path: Path) -> None:
    first = write(tmp_path / "a" / "r.json", evaluation(GAINS))
    second = write(tmp_path / "b" / "r.json", evaluation(GAINS))
    other = write(tmp_path / "c" / "r.json", evaluation(GAINS, protocol="half"))
    labels = [source.label for source in read_all([first, second]).evaluations]
    assert labels == ["default (a/r.json)", "default (b/r.json)"]
    labels = [source.label for source in read_all([first, other]).evaluations]
    assert labels == ["default", "default"]  # the same weights under two protocols
    labels = [source.label for source in read_all([f"ours={first}", second]).evaluations]
    assert labels == ["ours", "default"]


def test_numbers_that_are_not_finite_are_absent_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    text = Path(write(path, evaluation(GAINS))).read_text()
    path.write_text(text.replace('"psnr": 21.0', '"psnr": NaN').replace("0.6", "1e999"))
    (source,) = read_all([str(path)]).evaluations
    assert source.not_finite == 3  # two pictures' scores, of which one was written twice
    assert source.document["per_image"][1]["blurred"]["psnr"] is None


@pytest.mark.parametrize(
    ("contents", "sentence"),
    [
        ("", "no JSON"),
        ("[1]", "no JSON object"),
        ("{}", "none of results.json"),
        ('{"per_image": 3}', "lacks a text 'dataset'"),
        ("\x00\x01", "no JSON"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, contents: str, sentence: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(contents)
    with pytest.raises(UserError, match=sentence) as caught:
        read_all([str(path)])
    assert str(path) in str(caught.value)


def test_damaged_results_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    for change, sentence in (
        ({"count": "8"}, "wrong 'count', not a whole number"),
        ({"protocol": "quarter"}, "no protocol 'quarter'"),
        ({"per_image": [1]}, "is no object"),
        ({"restored": {"psnr": "high"}}, "psnr is 'high', not a number"),
        ({"per_image": evaluation(GAINS)["per_image"][:1] * 2}, "a/1.png stands there twice"),
    ):
        write(path, evaluation(GAINS) | change)
        with pytest.raises(UserError, match=sentence):
            read_all([str(path)])


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_all([str(tmp_path / "none.json")])
