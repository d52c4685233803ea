"""A report's files: told apart, named, checked, and refused in one sentence."""

from pathlib import Path

import pytest
from report_files import evaluation, latency, study, write

from deblur_jax.errors import UsageError, UserError
from deblur_jax.report.documents import read_all
from deblur_jax.report.strict_json import parse

GAINS = {"a/1.png": 1.0, "b/2.png": -0.5}


def test_files_are_told_apart_by_what_they_hold(tmp_path: Path) -> None:
    kohler = evaluation(GAINS, protocol="kohler")
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n')
    found = read_all(
        [
            write(tmp_path / "a.json", evaluation(GAINS)),
            write(tmp_path / "b.json", kohler),
            write(tmp_path / "c.json", study()),
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


def test_a_self_ensemble_stands_beside_its_weights(tmp_path: Path) -> None:
    alone = write(tmp_path / "a" / "r.json", evaluation(GAINS, self_ensemble=1))
    eight = write(tmp_path / "b" / "r.json", evaluation(GAINS, self_ensemble=8))
    labels = [source.label for source in read_all([alone, eight]).evaluations]
    assert labels == ["default", "default, self-ensemble of 8"]


def test_numbers_that_are_not_finite_are_absent_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    text = Path(write(path, evaluation(GAINS))).read_text()
    path.write_text(text.replace('"psnr": 21.0', '"psnr": NaN').replace("0.6", "1e999"))
    (source,) = read_all([str(path)]).evaluations
    assert source.not_finite == 3  # one NaN, and 0.6 twice: of a picture and in the mean
    first, second = source.document["per_image"]
    assert "psnr" not in second["blurred"]  # not null, which says that it is infinite
    assert first["restored"]["ssim"] is None


@pytest.mark.parametrize(
    ("contents", "sentence"),
    [
        ("", "no JSON"),
        ("[1]", "no JSON object"),
        ("{}", "none of results.json"),
        ('{"per_image": 3}', "lacks dataset"),
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
        ({"count": "8"}, "count is '8', not a whole number"),
        ({"count": True}, "count is True, not a whole number"),
        ({"protocol": "quarter"}, "no protocol 'quarter'"),
        ({"per_image": [1]}, r"per_image\[0\] is 1, not an object"),
        ({"restored": {"psnr": "high"}}, "restored.psnr is 'high', not a number"),
        ({"failed": [{"name": "x"}]}, r"lacks failed\[0\].reason"),
        ({"weights": {"name": "w" * 99, "sha256": 3}}, "weights.sha256 is 3, not a text"),
        ({"dataset": ["x" * 99]}, "dataset is .{36} ..., not a text"),
        ({"per_image": evaluation(GAINS)["per_image"][:1] * 2}, "a/1.png stands there twice"),
    ):
        write(path, evaluation(GAINS) | change)
        with pytest.raises(UserError, match=sentence):
            read_all([str(path)])


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_all([str(tmp_path / "none.json")])


def test_what_json_has_no_number_for(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(
        '{"a": NaN, "b": Infinity, "c": [NaN, 1, -Infinity], "d": 1e999, "e": {"f": NaN},'
        f' "g": 1{"0" * 400}, "h": {"9" * 5000}, "i": 2, "j": 0.5, "k": [[NaN]]}}'
    )
    document, not_finite = parse(path)
    assert document == {
        "b": None, "c": [None, 1, None], "d": None, "e": {}, "g": None, "h": None, "i": 2,
        "j": 0.5, "k": [[None]],
    }  # fmt: skip
    assert not_finite == 9


def test_a_file_is_taken_once(tmp_path: Path) -> None:
    path = write(tmp_path / "run" / "results.json", evaluation(GAINS))
    for twice in ([path, path], [path, str(tmp_path / "run")], [path, f"other={path}"]):
        with pytest.raises(UsageError, match="given twice"):
            read_all(twice)


def test_a_study_is_found_in_its_folder(tmp_path: Path) -> None:
    write(tmp_path / "kernel_study.json", study())
    assert len(read_all([str(tmp_path)]).kernel_studies) == 1


def test_folders_of_one_name_and_layers_are_told_apart(tmp_path: Path) -> None:
    paths = [write(tmp_path / n / "run" / "r.json", evaluation(GAINS)) for n in "xy"]
    labels = [source.label for source in read_all(paths).evaluations]
    assert labels == [f"default ({path})" for path in paths]
    (alone,) = read_all([f"sharp={paths[0]}"]).evaluations  # the gallery has a layer of that name
    assert alone.label == "sharp (run/r.json)"


def test_a_name_may_stand_before_a_path_with_an_equals_sign(tmp_path: Path) -> None:
    path = write(tmp_path / "lr=1" / "r.json", evaluation(GAINS))
    assert read_all([path]).evaluations[0].label == "default"
    assert read_all([f"b={path}"]).evaluations[0].label == "b"
