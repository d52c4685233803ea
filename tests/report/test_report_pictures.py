"""Pictures of a report: which stand for a set, where they are enlarged, what is missing."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from report_files import evaluation, keep_pictures, scores
from skimage import data

from deblur_jax import images
from deblur_jax.errors import UserError
from deblur_jax.evaluation.examples import examples
from deblur_jax.report import pictures
from deblur_jax.report.documents import Source
from deblur_jax.web.page import embedded

GAINS = {"a": 0.1, "b": -1.0, "c": 2.0, "d": 0.3, "e": 0.2}


def decoded(address: str) -> np.ndarray:
    kind, _, data = address.partition(";base64,")
    assert kind == "data:image/webp"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))


@pytest.fixture
def source(tmp_path: Path) -> Source:
    document = evaluation(GAINS)
    keep_pictures(tmp_path, document)
    return Source(tmp_path / "results.json", document, 0, "default")


def test_the_window_lies_where_blurred_and_sharp_differ_most() -> None:
    sharp = np.full((240, 360, 3), 100, np.uint8)
    blurred = sharp.copy()
    blurred[151:180, 202:250] += 40
    top, left, rows, columns = pictures.where_blur_shows(blurred, sharp)
    assert (rows, columns) == (40, 60)
    assert top <= 151
    assert top + rows >= 180
    assert left <= 202
    assert left + columns >= 250
    blurred[10:50, 20:80] = 0
    assert pictures.where_blur_shows(blurred, sharp) == (10, 20, 40, 60)


def test_the_window_fits_any_picture() -> None:
    for height, width in ((1, 1), (5, 300), (300, 5), (49, 48)):
        picture = np.zeros((height, width, 3), np.uint8)
        top, left, rows, columns = pictures.where_blur_shows(picture, picture)
        assert 0 <= top <= height - rows
        assert 0 <= left <= width - columns
        assert min(rows, columns) > 0


def test_without_a_twin_it_lies_where_the_contrast_is() -> None:
    picture = np.zeros((240, 360, 3), np.uint8)
    picture[100:120:2, 200:220] = 255
    top, left, rows, columns = pictures.where_blur_shows(picture, None)
    assert top <= 100 < 119 < top + rows
    assert left <= 200 < 219 < left + columns


def test_a_closeup_holds_exact_crops_of_all_versions(source: Source) -> None:
    example = examples(source.document["per_image"])[0]
    found = pictures.closeup([source], example)
    assert found is not None
    assert found.title == "best: c"
    assert list(found.frames) == list(found.crops) == ["sharp", "blurred", "restored"]
    left, top, width, height = found.box
    x, y, w, h = (round(v) for v in (left * 0.6, top * 0.4, width * 0.6, height * 0.4))
    for side, address in found.crops.items():
        whole = images.read_rgb(source.path.parent / example.entry["pictures"][side])
        np.testing.assert_array_equal(decoded(address), whole[y : y + h, x : x + w])
    assert 'PSNR 22.00 → <b class="better">24.00</b> dB' in found.scores[0]


def test_a_closeup_of_several_models_has_one_column_each(tmp_path: Path, source: Source) -> None:
    other = evaluation(GAINS, name="other")
    keep_pictures(tmp_path, other, seed=1)
    second = Source(source.path, other, 0, "other")
    example = examples(source.document["per_image"])[0]
    found = pictures.closeup([source, second], example)
    assert found is not None
    assert list(found.frames) == ["sharp", "blurred", "default", "other"]
    assert len(found.scores) == 2
    del other["per_image"][2]["pictures"]  # of c, the best
    found = pictures.closeup([source, second], example)
    assert found is not None
    assert list(found.frames) == ["sharp", "blurred", "default"]
    del source.document["per_image"][2]["pictures"]
    assert pictures.closeup([source, second], example) is None


def test_pictures_that_are_gone_are_left_out(source: Source) -> None:
    first = source.document["per_image"][0]
    (source.path.parent / first["pictures"]["sharp"]).unlink()
    assert set(pictures.kept(source, first)) == {"blurred", "restored"}
    (source.path.parent / first["pictures"]["restored"]).unlink()
    assert pictures.kept(source, first) == {}
    del source.document["per_image"][1]["pictures"]
    found = pictures.gallery([source], "g")
    assert found is not None
    assert [each.name for each in found.pictures] == ["c", "d", "e"]
    for entry in source.document["per_image"]:
        entry["pictures"] = {"blurred": 3}
    assert pictures.gallery([source], "g") is None


def test_models_are_layers_between_blurred_and_sharp(tmp_path: Path, source: Source) -> None:
    other = evaluation(GAINS, name="other")
    keep_pictures(tmp_path, other, seed=1)
    found = pictures.gallery([source, Source(source.path, other, 0, "other")], "g")
    assert found is not None
    assert found.layers == ["blurred", "default", "other", "sharp"]
    assert (found.left, found.right) == ("blurred", "default")
    assert any(line.startswith("other: PSNR") for line in found.pictures[0].scores)
    alone = pictures.gallery([source], "g")
    assert alone is not None
    assert alone.layers == ["blurred", "restored", "sharp"]


def test_pictures_that_few_kept_are_shown_with_whom_kept_them(
    tmp_path: Path, source: Source
) -> None:
    other = evaluation(GAINS, name="other")
    keep_pictures(tmp_path, other, seed=1)
    second = Source(source.path, other, 0, "other")
    for entry in other["per_image"][1:]:
        del entry["pictures"]
    found = pictures.gallery([source, second], "g")
    assert found is not None
    assert [each.name for each in found.pictures] == list(GAINS)
    assert [("other" in each.layers) for each in found.pictures] == [True] + [False] * 4


def test_a_long_set_shows_its_best_and_worst_and_others_evenly(tmp_path: Path) -> None:
    gains = {f"{n:02}": 0.1 for n in range(30)} | {"07": 3.0, "11": -3.0}
    document = evaluation(gains)
    keep_pictures(tmp_path, document)
    found = pictures.gallery([Source(tmp_path / "r.json", document, 0, "m")], "g")
    assert found is not None
    names = [each.name for each in found.pictures]
    assert len(names) == pictures.MOST_SLIDERS
    assert names == sorted(names)
    assert {"00", "07", "11", "29"} <= set(names)


def test_many_models_have_fewer_sliders(tmp_path: Path) -> None:
    sources = []
    for number in range(6):
        document = evaluation({f"{n:02}": 0.1 for n in range(15)}, name=f"m{number}")
        keep_pictures(tmp_path, document)
        sources.append(Source(tmp_path / "r.json", document, 0, f"m{number}"))
    found = pictures.gallery(sources, "g")
    assert found is not None
    embedded_pictures = sum(len(each.layers) for each in found.pictures)
    assert pictures.MOST_EMBEDDED - 8 < embedded_pictures <= pictures.MOST_EMBEDDED


def test_a_picture_that_equals_its_twin_is_infinite_and_a_nan_is_not() -> None:
    document = evaluation({"a": 1.0, "b": 1.0})
    equal, unknown = document["per_image"]
    equal["restored"] = scores(None, 1.0)
    del unknown["restored"]["psnr"]
    one = Source(Path("r.json"), document, 0, "m")
    assert '→ <b class="better">∞</b>' in pictures.score_lines([one], "a")[0]
    assert pictures.score_lines([one], "b")[0] == "PSNR –"


def test_a_twin_of_another_size_is_refused(source: Source) -> None:
    first = source.document["per_image"][0]
    images.write(source.path.parent / first["pictures"]["restored"], np.zeros((3, 3, 3), np.uint8))
    with pytest.raises(UserError, match="another size"):
        pictures.gallery([source], "g")


def test_embedded_pictures_are_exact_or_close() -> None:
    picture = np.asarray(data.astronaut())[:301, :400]
    np.testing.assert_array_equal(decoded(embedded(picture, exact=True)), picture)
    close = decoded(embedded(picture)).astype(float)
    for channel in range(3):  # the colours too: each above 36 dB
        assert np.mean((close - picture)[..., channel] ** 2) < 255**2 / 10**3.6
    assert decoded(embedded(picture, longest=100)).shape == (75, 100, 3)
