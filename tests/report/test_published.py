"""Published figures: what they hold, and when one may stand beside a measured score."""

from report_files import evaluation

from deblur_jax.report.published import differences, published


def figure(model: str) -> object:
    return next(each for each in published("gopro") if each.model == model)


def measured(**more: object) -> dict:
    return evaluation({"a": 1.0}, dataset="gopro") | {"count": 1111} | more


def test_the_headline_figures_of_the_ancestors() -> None:
    paper, nineteen, sixteen = (
        figure(name) for name in ("DeblurGAN", "VGG19 (the report)", "VGG16 (the report)")
    )
    assert (paper.psnr, paper.seconds, paper.ssim, paper.ssim_kind) == (
        28.7, 0.85, 0.958, "cw_ssim_1d",
    )  # fmt: skip
    assert (nineteen.psnr, nineteen.seconds, sixteen.psnr) == (26.77, 0.97, 25.06)
    assert nineteen.protocol == sixteen.protocol == "resize256"


def test_every_figure_names_its_source_and_a_possible_score() -> None:
    for dataset in ("gopro", "kohler"):
        for each in published(dataset):
            assert each.source
            assert 20 < each.psnr < 36
            assert (each.ssim is None and each.ssim_kind is None) or 0.7 < each.ssim < 1
            assert (each.seconds is None) == (each.hardware == "")
            assert each.subset in (None, "linear", "gamma")


def test_only_the_same_pictures_and_protocol_compare() -> None:
    srn = figure("SRN, released weights")
    assert differences(srn, measured(subset="linear")) == []
    (said,) = differences(srn, measured(subset="gamma"))
    assert said == "blur linear, not gamma"
    (said,) = differences(srn, measured(subset="linear", protocol="half"))
    assert said == "resolution full, not half"
    (said,) = differences(srn, measured(subset="linear", count=8, dataset="test"))
    assert said == "1111 pictures of gopro, not the 8 of test"


def test_what_a_source_does_not_say_never_compares() -> None:
    assert "resolution not stated" in differences(figure("DeblurGAN"), measured(subset="linear"))
    assert "blur not stated" in differences(figure("MIMO-UNet"), measured(subset="linear"))


def test_the_filter_counts() -> None:
    report = figure("VGG19 (the report)")
    same = measured(subset="linear", protocol="resize256", filter="nearest")
    assert differences(report, same) == []
    (said,) = differences(report, same | {"filter": "bicubic"})
    assert said == "filter nearest, not bicubic"


def test_kohler_has_no_two_kinds_of_blur() -> None:
    own = evaluation({"1_1": 1.0}, dataset="kohler", protocol="kohler") | {"count": 48}
    assert all(differences(each, own) == [] for each in published("kohler"))
    assert all(differences(each, own | {"count": 4}) for each in published("kohler"))
