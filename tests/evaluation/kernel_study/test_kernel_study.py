"""The kernel study on small pictures, each number against scipy, scikit-image and numpy."""

import json
import xml.etree.ElementTree as ElementTree
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from deblur_jax import images
from deblur_jax.blur import blur_picture
from deblur_jax.errors import UsageError, UserError
from deblur_jax.evaluation.kernel_study import findings
from deblur_jax.evaluation.kernel_study import sheets as kernel_sheets
from deblur_jax.evaluation.kernel_study.study import (
    FILE,
    find_pictures,
    measure,
    path_seed,
    study_kernels,
)
from deblur_jax.images.side_by_side import CAPTION, GAP

SVG = "{http://www.w3.org/2000/svg}"
SIDES = (36, 40)
PICTURES = ("a.png", "b.png", "deep/c.png")
ABOUT = {"images": "photos", "precision": "float32", "dropout": None, "command": "here"}


class Sharpens:
    """A model: unsharp masking, so that restored differs from blurred and gains are not equal."""

    weights = SimpleNamespace(name="sharpens", sha256="2" * 64)

    def __call__(self, image):
        light = image.astype(np.float64)
        crisp = light + 0.6 * (light - ndimage.gaussian_filter(light, (1, 1, 0)))
        return np.rint(crisp).clip(0, 255).astype(np.uint8)


def picture(seed):
    coarse = np.random.default_rng(seed).uniform(0, 255, (SIDES[0] // 4, SIDES[1] // 4, 3))
    return ndimage.zoom(coarse, (4, 4, 1), order=1).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folders of pictures and of their study, and the study."""
    root = tmp_path_factory.mktemp("study")
    for seed, name in enumerate(PICTURES):
        images.write(root / "photos" / name, picture(seed))
    jobs = find_pictures(str(root / "photos"), str(root / "out"))
    return root, study_kernels(jobs, root / "out", Sharpens(), about=ABOUT)


def by_hand(sharp, kernel, size, name):
    """The two filters in scipy; the trajectory's path is tested with the blur."""
    light = sharp.astype(np.float64)
    if kernel == "median":
        return ndimage.median_filter(sharp, (size, size, 1), mode="mirror")
    if kernel == "gaussian":
        sigma = {5: 1.1, 9: 1.7, 13: 2.3}[size]
        taps = np.exp(-((np.arange(size) - size // 2) ** 2) / (2 * sigma**2))
        for axis in (0, 1):
            light = ndimage.correlate1d(light, taps / taps.sum(), axis, mode="mirror")
        return np.rint(light).astype(np.uint8)
    return blur_picture(sharp, kernel, kernel_size=size, seed=zlib.crc32(name.encode()) >> 1)


def skimage_ssim(a, b):
    return structural_similarity(
        a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        data_range=255, channel_axis=2,
    )  # fmt: skip


def test_every_row_is_scipys_and_scikit_images(made):
    rows = made[1].document["rows"]
    places = [(row["kernel"], row["size"], row["picture"]) for row in rows]
    assert sorted(places) == sorted(
        (k, s, p)
        for k in ("gaussian", "median", "trajectory")
        for s in (5, 9, 13)
        for p in PICTURES
    )
    for row in rows:
        sharp = picture(PICTURES.index(row["picture"]))
        blurred = by_hand(sharp, row["kernel"], row["size"], row["picture"])
        restored = Sharpens()(blurred)
        change = np.abs(restored.astype(float) - blurred)
        # float32 may round a sample in ten thousand to the other side of a half.
        near = pytest.approx(change.mean(), abs=2e-3)
        assert row["difference"] == near
        pairs = {"difference": (blurred, restored), "blurred": (sharp, blurred)}
        pairs["restored"] = (sharp, restored)
        for side, (a, b) in pairs.items():
            psnr = peak_signal_noise_ratio(a, b, data_range=255)
            assert row[f"{side}_psnr"] == pytest.approx(psnr, abs=5e-3), (side, row)
            assert row[f"{side}_ssim"] == pytest.approx(skimage_ssim(a, b), abs=2e-4), (side, row)
        for name in ("psnr", "ssim"):
            gain = row[f"restored_{name}"] - row[f"blurred_{name}"]
            assert row[f"gain_{name}"] == pytest.approx(gain, abs=1e-12)
        assert (row["height"], row["width"]) == SIDES


def test_the_file_says_what_was_measured_and_how(made):
    root, study = made
    found = json.loads((root / "out" / FILE).read_text(encoding="utf-8"))
    assert found == json.loads(json.dumps(study.document))
    assert found["schema"] == 1 and found["count"] == 3 and found["failed"] == []
    assert found["weights"] == {"name": "sharpens", "sha256": "2" * 64}
    assert found["command"] == "here" and found["images"] == "photos"
    assert {"jax", "deblur_jax", "python"} <= set(found["versions"])
    assert found["device"] and found["date"].endswith("+00:00")
    assert set(found["measures"]) == set(found["rows"][0]) - {
        "kernel", "size", "picture", "height", "width"
    }  # fmt: skip
    assert set(found["kernels"]) == {"gaussian", "median", "trajectory"}


def test_the_summary_is_numpys(made):
    document = made[1].document
    assert len(document["summary"]) == 9
    for entry in document["summary"]:
        own = [
            row for row in document["rows"]
            if (row["kernel"], row["size"]) == (entry["kernel"], entry["size"])
        ]  # fmt: skip
        values = np.array([row["gain_psnr"] for row in own])
        assert entry["count"] == entry["gain_psnr"]["count"] == 3
        assert entry["gain_psnr"]["mean"] == pytest.approx(values.mean())
        assert entry["gain_psnr"]["std"] == pytest.approx(values.std(ddof=1))
        assert (entry["gain_psnr"]["min"], entry["gain_psnr"]["max"]) == (
            values.min(),
            values.max(),
        )


def test_exactly_the_documented_files_are_there(made):
    root, study = made
    document = study.document
    assert len(document["plots"]) == 8 and len(document["sheets"]) == 9
    found = {p.relative_to(root / "out").as_posix() for p in (root / "out").rglob("*.*")}
    assert found == {FILE, *document["plots"], *document["sheets"]}
    assert "sheets/deep/c_median.png" in found


def test_a_sheet_holds_the_pictures(made):
    shown = images.read_rgb(made[0] / "out" / "sheets" / "a_median.png")
    height, width = SIDES
    assert shown.shape == (3 * (height + CAPTION) + 2 * GAP, 3 * width + 2 * GAP, 3)
    sharp = picture(0)
    for index, size in enumerate((5, 9, 13)):
        top = index * (height + CAPTION + GAP) + CAPTION
        blurred = by_hand(sharp, "median", size, "a.png")
        for column, panel in enumerate((sharp, blurred, Sharpens()(blurred))):
            left = column * (width + GAP)
            np.testing.assert_array_equal(shown[top : top + height, left : left + width], panel)


def test_the_plots_have_a_dot_for_each_picture(made):
    for name in made[1].document["plots"]:
        groups = ElementTree.parse(made[0] / "out" / name).getroot().iter(f"{SVG}g")
        marks = {
            g.get("id").partition("-")[2]: len(list(g.iter(f"{SVG}use")))
            for g in groups
            if "-dots-" in g.get("id", "") or "-means-" in g.get("id", "")
        }
        assert marks == {
            f"{kind}-{i}": n for i in range(3) for kind, n in (("dots", 9), ("means", 3))
        }


def rows_of(gaussian, median, trajectory=(1, 1, 1), *, gain=None):
    """Rows of four pictures around given values of (5, 9, 13); the gains are like the change."""
    rows = []
    for kernel, values in zip(findings.KERNELS, (gaussian, median, trajectory), strict=True):
        for index, size in enumerate(findings.SIZES):
            for number in range(4):
                value = values[index] + 0.3 * number  # pictures differ, the paired steps do not
                row = dict.fromkeys(findings.MEASURES, value)
                row["gain_psnr"] = value if gain is None else gain
                rows.append({"kernel": kernel, "size": size, "picture": f"{number}", **row})
    return rows


@pytest.mark.parametrize(
    ("gaussian", "median", "holds"),
    [
        ((2, 3, 4), (1, 1.05, 0.95), [True, True, True]),  # the report's claims
        ((1, 2, 3), (3, 3, 3.1), [False, True, True]),
        ((4, 3, 2), (1, 1, 2), [True, False, False]),
        ((2, 3, 3), (1, 1, 1), [True, False, True]),
    ],
)
def test_the_reports_conclusions_are_judged(gaussian, median, holds):
    found = findings.findings(rows_of(gaussian, median, gain=1.0))
    by = {m: [f["holds"] for f in found if f["measure"] == m] for m in ("difference", "gain_psnr")}
    assert by["difference"] == holds
    assert by["gain_psnr"] == [False, False, True]  # the same gain everywhere


def test_what_the_pictures_cannot_tell_is_left_open():
    alone = [row for row in rows_of((2, 3, 4), (1, 1, 1)) if row["picture"] == "0"]
    assert {f["holds"] for f in findings.findings(alone)} == {None}
    assert "cannot be told" in findings.conclusion(alone, "w")
    noisy = rows_of((2, 2, 2), (2, 2, 2))
    for row in noisy:
        if row["kernel"] == "gaussian":
            row["difference"] += 0.5 if int(row["picture"]) % 2 else -0.4
    assert findings.findings(noisy)[0]["holds"] is None


def test_the_conclusion_is_plain_and_has_the_numbers():
    text = findings.conclusion(rows_of((2, 3, 4), (1, 1, 1), (-1, -1, -1)), "mine")
    assert text.startswith("4 pictures, weights mine, sizes 5, 9, 13.")
    assert "gaussian 2.45, 3.45, 4.45; median 1.45, 1.45, 1.45." in text
    assert "trajectory −0.55, −0.55, −0.55" in text
    assert "its second" in text.lower() and "does not" not in text
    mixed = findings.conclusion(rows_of((4, 3, 2), (1, 1, 1)), "mine")
    assert "does not hold for the Gaussian and holds for the median" in mixed


def test_an_infinite_psnr_is_none_and_in_no_mean(tmp_path):
    flat = np.full((20, 20, 3), 90, np.uint8)
    found = measure(flat, flat, flat)
    assert found["blurred_psnr"] is found["gain_psnr"] is found["difference_psnr"] is None
    assert found["difference"] == 0.0 and found["blurred_ssim"] == 1.0
    brighter = measure(flat, flat, flat + np.uint8(3))
    assert brighter["difference"] == 3.0 and brighter["gain_psnr"] is None
    assert brighter["restored_psnr"] == pytest.approx(20 * np.log10(255 / 3))
    rows = rows_of((1, 1, 1), (1, 1, 1))
    rows[0]["blurred_psnr"] = None
    first = findings.summarise(rows)[0]["blurred_psnr"]
    assert first["count"] == 3 and first["mean"] == pytest.approx(1.6)


def test_a_study_of_a_flat_picture_is_strict_json(tmp_path):
    images.write(tmp_path / "photos" / "flat.png", np.full((*SIDES, 3), 90, np.uint8))
    jobs = find_pictures(str(tmp_path / "photos"), "out")
    study = study_kernels(jobs, tmp_path / "out", Sharpens(), about=ABOUT)
    assert all(row["gain_psnr"] is None for row in study.document["rows"])
    assert not [name for name in study.document["plots"] if "psnr" in name]
    assert "–" in findings.table(study.document["summary"])


def test_broken_and_small_pictures_are_named_and_the_rest_done(tmp_path):
    folder = tmp_path / "photos"
    images.write(folder / "good.png", picture(0))
    images.write(folder / "small.png", np.zeros((12, 40, 3), np.uint8))
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("passed over")
    told = []
    study = study_kernels(
        find_pictures(str(folder), "out"), tmp_path / "out", Sharpens(), about=ABOUT,
        progress=lambda it: told.append((it.number, it.total, it.outcome)),
    )  # fmt: skip
    assert study.document["count"] == 1 and [t[:2] for t in told] == [(1, 3), (2, 3), (3, 3)]
    failed = {entry["picture"]: entry["reason"] for entry in study.document["failed"]}
    assert set(failed) == {"broken.png", "small.png"} and told[1][2] == "done"
    assert str(folder / "small.png") in failed["small.png"] and "40x12" in failed["small.png"]
    assert str(folder / "broken.png") in failed["broken.png"]


def test_where_nothing_can_be_studied_nothing_is_left(tmp_path):
    def fails(image):
        raise UserError("the weights gave values that are not finite")

    fails.weights = Sharpens.weights
    images.write(tmp_path / "photos" / "a.png", picture(0))
    told = []
    with pytest.raises(UserError, match="none of the pictures"):
        study_kernels(
            find_pictures(str(tmp_path / "photos"), "out"), tmp_path / "out", fails, about=ABOUT,
            progress=lambda it: told.append(it.outcome),
        )  # fmt: skip
    assert str(tmp_path / "photos" / "a.png") in told[0] and "not finite" in told[0]
    assert list((tmp_path / "out").iterdir()) == []


def test_a_study_that_is_broken_off_leaves_no_older_ones_file(tmp_path):
    images.write(tmp_path / "photos" / "a.png", picture(0))
    images.write(tmp_path / "photos" / "b.png", picture(1))
    jobs = find_pictures(str(tmp_path / "photos"), "out")
    study_kernels(jobs[:1], tmp_path / "out", Sharpens(), about=ABOUT)
    assert (tmp_path / "out" / FILE).exists()

    def stops(finished):
        if finished.number == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study_kernels(jobs, tmp_path / "out", Sharpens(), about=ABOUT, progress=stops)
    assert not (tmp_path / "out" / FILE).exists()
    assert not list((tmp_path / "out").rglob("*.part"))


def test_the_pictures_of_a_folder(tmp_path):
    for name in ("a.png", "z/b.png", "out/sheets/a_median.png"):
        images.write(tmp_path / name, picture(0))
    folder, output = str(tmp_path), str(tmp_path / "out")
    assert [job.name for job in find_pictures(folder, output)] == ["a.png", "z/b.png"]
    assert [job.name for job in find_pictures(folder, output, 1)] == ["a.png"]
    (tmp_path / "empty").mkdir()
    for arguments, sentence in (
        ((folder, output, 0), "limit of 0"),
        ((str(tmp_path / "gone"), output), "no folder of pictures"),
        ((str(tmp_path / "empty"), output), "no picture found"),
        ((folder, folder), "name another folder"),
    ):
        with pytest.raises(UsageError, match=sentence):
            find_pictures(*arguments)


def test_many_pictures_have_few_sheets(tmp_path, monkeypatch):
    monkeypatch.setattr("deblur_jax.evaluation.kernel_study.study.MAX_SHEETS", 2)
    for name in ("a.png", "b.png", "c.png"):
        images.write(tmp_path / "photos" / name, picture(0))
    jobs = find_pictures(str(tmp_path / "photos"), "out")
    study = study_kernels(jobs, tmp_path / "out", Sharpens(), about=ABOUT)
    assert {Path(name).name[0] for name in study.document["sheets"]} == {"a", "c"}


def test_the_detail_is_the_steepest_square(rng):
    sharp = rng.integers(0, 20, (30, 25, 3)).astype(np.uint8)
    sharp[12:20, 14:21] = rng.integers(0, 256, (8, 7, 3))

    def steep(part):
        gray = part.mean(axis=2)
        return np.abs(np.diff(gray, axis=0)).sum() + np.abs(np.diff(gray, axis=1)).sum()

    best = steep(sharp[kernel_sheets.detail(sharp, 8)])
    every = [steep(sharp[y : y + 8, x : x + 8]) for y in range(23) for x in range(18)]
    assert best == pytest.approx(max(every), rel=1e-5)
    assert kernel_sheets.detail(sharp, 64) == (slice(0, 30), slice(0, 25))


def test_sheets_of_one_stem_keep_their_extension():
    names = kernel_sheets.sheet_names(["a.png", "a.jpg", "d/b.c.webp"])
    assert names == {"a.png": "a.png", "a.jpg": "a.jpg", "d/b.c.webp": "d/b.c"}


def test_paths_differ_by_name():
    assert path_seed("a.png") == zlib.crc32(b"a.png") >> 1
    assert len({path_seed(name) for name in PICTURES}) == 3
