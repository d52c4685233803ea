"""Several models: only on the same pictures, the best marked, nothing infinite forgotten."""

from report_files import evaluation, scores, source

from deblur_jax.report import comparison

GAINS = {"a/1.png": 1.0, "b/2.png": -0.5, "b/3.png": 0.25}


def rows_of(table) -> dict:
    return {row[0].text: row[1:] for row in table.rows}


def test_groups_hold_only_the_same_pictures() -> None:
    first, second = source(evaluation(GAINS)), source(evaluation(GAINS, name="b"))
    half = source(evaluation(GAINS, protocol="half"))
    fewer = source(evaluation(dict(list(GAINS.items())[:2])))
    other = evaluation(GAINS, name="c")
    other["per_image"][0]["blurred"]["psnr"] += 1  # other pictures of the same names
    found = comparison.groups([first, half, second, fewer, source(other)])
    assert [len(group) for group in found] == [2, 1, 1, 1]
    assert found[0] == [first, second]


def test_models_side_by_side() -> None:
    better = {name: value + 0.1 for name, value in GAINS.items()} | {"a/1.png": 0.5}
    group = [source(evaluation(GAINS)), source(evaluation(better, name="b"))]
    table = comparison.model_table(group, "m")
    rows = {row[0].text: row[1:] for row in table.rows}
    assert [cell.text for cell in rows["PSNR"]] == ["21.00", "21.25", "21.15"]
    assert [cell.mood for cell in rows["PSNR"]] == ["", "better", ""]
    assert [cell.text for cell in rows["pictures where it is best"]] == ["–", "1", "2"]
    assert [cell.text for cell in rows["pictures worse than the input"]] == ["–", "1", "1"]
    gains = comparison.gains_table(group, "g")
    assert [cell.text for cell in gains.rows[0]] == ["a/1.png", "20.00", "+1.00", "+0.50"]


def test_machines_that_round_differently_still_compare() -> None:
    first, second = evaluation(GAINS), evaluation(GAINS, name="b")
    first["per_image"][0]["blurred"]["psnr"] = 20.00499
    second["per_image"][0]["blurred"]["psnr"] = 20.00501
    assert len(comparison.groups([source(first), source(second)])) == 1
    second["per_image"][0]["blurred"]["psnr"] = 20.02
    assert len(comparison.groups([source(first), source(second)])) == 2


def test_figures_that_look_equal_are_not_marked() -> None:
    alike = {name: value + 1e-4 for name, value in GAINS.items()}
    table = comparison.model_table(
        [source(evaluation(GAINS)), source(evaluation(alike, name="b"))], "m"
    )
    assert [cell.mood for cell in rows_of(table)["PSNR"]] == ["", "", ""]


def test_the_least_lpips_is_the_best() -> None:
    group = [source(evaluation(GAINS)), source(evaluation(GAINS, name="b"))]
    for each, lpips in zip(group, (0.3, 0.2), strict=True):
        each.document["restored"]["lpips"] = lpips
    assert [cell.mood for cell in rows_of(comparison.model_table(group, "m"))["LPIPS"]] == [
        "none", "", "better",
    ]  # fmt: skip


def test_infinite_psnrs_count_as_what_they_are() -> None:
    perfect, spoiled = evaluation(GAINS), evaluation(GAINS, name="b")
    perfect["per_image"][0]["restored"] = scores(None, 1.0)  # equal to its twin: the best
    for document in (perfect, spoiled):
        document["per_image"][1]["blurred"] = scores(None, 1.0)  # was sharp, so can only lose
    for document in (perfect, spoiled):
        document["per_image"][2]["restored"] = scores(None, 1.0)  # both: nobody is alone the best
    rows = rows_of(comparison.model_table([source(perfect), source(spoiled)], "m"))
    assert [cell.text for cell in rows["pictures where it is best"]] == ["–", "1", "0"]
    assert [cell.text for cell in rows["pictures worse than the input"]] == ["–", "1", "1"]
    gains = comparison.gains_table([source(perfect), source(spoiled)], "g")
    assert [cell.text for cell in gains.rows[0]] == ["a/1.png", "20.00", "–", "+1.00"]
    assert [cell.text for cell in gains.rows[1]] == ["b/2.png", "∞", "–", "–"]


def test_scenes_by_model() -> None:
    def with_scenes(name: str, gain: float) -> dict:
        per_scene = [
            {"scene": scene, "count": 2, "blurred": scores(20.0, 0.5),
             "restored": scores(20.0 + gain * number, 0.5)}
            for number, scene in enumerate("ab", start=1)
        ]  # fmt: skip
        return evaluation(GAINS, name=name, per_scene=per_scene)

    group = [source(with_scenes("x", 1.0)), source(with_scenes("y", -0.5))]
    table = comparison.scenes_table(group, "s")
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["a", "2", "20.00", "+1.00", "−0.50"],
        ["b", "2", "20.00", "+2.00", "−1.00"],
    ]
    assert comparison.scenes_table([source(evaluation(GAINS))], "s") is None


def test_seconds_of_different_devices_are_said() -> None:
    group = [source(evaluation(GAINS)), source(evaluation(GAINS, name="b", device="gpu"))]
    (said,) = comparison.model_table(group, "m").notes
    assert "different devices: cpu: made up; gpu" in said
