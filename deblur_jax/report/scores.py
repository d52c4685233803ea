"""Tables of measured scores: over all files, by convention, by scene and by picture."""

from collections.abc import Sequence
from typing import Any

from deblur_jax.evaluation.examples import gain_of
from deblur_jax.report.documents import Source
from deblur_jax.report.remarks import PROTOCOLS, SIDES, blur_words, of_all, protocol_words, title_of
from deblur_jax.web.elements import Cell, Column, Table, gain, number

Row = list[Cell]

CONVENTIONS = {
    "psnr": ("PSNR", "dB, of 8-bit RGB after rounding, mean of the pictures"),
    "psnr_truncated": ("PSNR, truncated", "dB, the network's values cut to 8 bits, not rounded"),
    "psnr_floats": ("PSNR, floats", "dB, the network's values not rounded"),
    "ssim": ("SSIM", "Gaussian window of 11, each channel on its own, as scikit-image has it"),
    "ssim_matlab3d": ("SSIM, MATLAB 3-D", "the window spans the channels; MPRNet, NAFNet use it"),
    "ssim_luminance": ("SSIM, luminance", "of the grey pictures"),
    "ms_ssim": ("MS-SSIM", "over five scales, of the grey pictures"),
    "cw_ssim_1d": ("CW-SSIM 1-D", "pyssim's measure, behind DeblurGAN's .958"),
    "lpips": ("LPIPS", "lower is better"),
    "niqe": ("NIQE", "lower is better, needs no sharp picture"),
}
PSNRS = ("psnr", "psnr_truncated", "psnr_floats")
NO_TWIN_NEEDED = ("niqe",)
LOWER_IS_BETTER = ("lpips", "niqe")


def digits_of(key: str) -> int:
    """Decimals that a score is shown with."""
    return 2 if key.startswith("psnr") or key == "niqe" else 4


def summary_table(sources: Sequence[Source]) -> Table:
    """One row a file: what was measured, of what, and how long it took."""
    columns = [
        Column("model", numeric=False),
        Column("data", numeric=False),
        Column("protocol", numeric=False),
        Column("blur", numeric=False, help="GoPro's linear or gamma, or the folder's name"),
        Column("pictures"),
        Column("PSNR blurred", help="dB, the input's own"),
        Column("PSNR restored", help="dB"),
        Column("gain", help="dB"),
        Column("SSIM blurred"),
        Column("SSIM restored"),
        Column("gain SSIM"),
        Column("median s", help="seconds a picture, compilation apart"),
        Column("device", numeric=False),
    ]
    rows = [_summary_row(source) for source in sources]
    protocols = dict.fromkeys(source.document["protocol"] for source in sources)
    explained = [f"{PROTOCOLS[each]}." for each in protocols if each in PROTOCOLS]
    return Table("scores", "What was measured", columns, rows, [*of_all(sources), *explained])


def _summary_row(source: Source) -> Row:
    document = source.document
    before, after = document["blurred"], document["restored"]
    seconds = document.get("seconds_per_image") or {}
    row = [
        Cell(source.label),
        Cell(str(document["dataset"])),
        Cell(protocol_words(document)),
        Cell(blur_words(document)),
        Cell(str(document["count"]), document["count"]),
    ]
    for key, decimals in (("psnr", 2), ("ssim", 4)):
        b, r = before.get(key), after.get(key)
        row += [number(b, decimals), number(r, decimals), gain(difference(b, r), decimals)]
    row.append(number(seconds.get("median"), 3))
    return [*row, Cell(str(document.get("device") or "not stated"))]


def difference(before: float | None, after: float | None) -> float | None:
    """after - before, None where one of them is not there."""
    return None if before is None or after is None else after - before


def conventions_table(sources: Sequence[Source]) -> Table:
    """Every convention side by side, the blurred input's row above the restored one's."""
    keys = [
        key
        for key in CONVENTIONS
        if any(s.document[side].get(key) is not None for s in sources for side in SIDES)
    ]
    columns = [
        Column("model", numeric=False),
        Column("data", numeric=False),
        Column("protocol", numeric=False),
        *(Column(CONVENTIONS[key][0], help=CONVENTIONS[key][1]) for key in keys),
    ]
    rows, seen = [], set()
    for source in sources:
        document = source.document
        where = [Cell(str(document["dataset"])), Cell(protocol_words(document))]
        for side in SIDES:
            label = "blurred input" if side == "blurred" else source.label
            scores = [document[side].get(key) for key in keys]
            row = [Cell(label), *where, *(number(v, digits_of(k), none="–")
                                          for k, v in zip(keys, scores, strict=True))]  # fmt: skip
            identity = tuple(cell.text for cell in row)
            if side == "restored" or identity not in seen:
                rows.append(row)
            seen.add(identity)
    explained = [f"{CONVENTIONS[key][0]}: {CONVENTIONS[key][1]}." for key in keys]
    return Table("conventions", "Every convention side by side", columns, rows, explained)


def scene_table(source: Source, name: str) -> Table | None:
    """Means by scene; None where the file has fewer than two scenes."""
    scenes = source.document.get("per_scene") or []
    if len(scenes) < 2:
        return None
    columns = [
        Column("scene", numeric=False), Column("pictures"), Column("PSNR blurred"),
        Column("PSNR restored"), Column("gain"), Column("SSIM blurred"),
        Column("SSIM restored"), Column("gain SSIM"),
    ]  # fmt: skip
    rows = [
        [
            Cell(str(scene["scene"])),
            Cell(str(scene["count"]), scene["count"]),
            *_both(scene["blurred"], scene["restored"]),
        ]
        for scene in scenes
    ]
    return Table(name, f"{title_of(source)}: by scene", columns, rows)


def picture_table(source: Source, name: str) -> Table:
    """Every picture: scores, what the restoring did to its colours, seconds."""
    columns = [
        Column("picture", numeric=False), Column("PSNR blurred"), Column("PSNR restored"),
        Column("gain"), Column("SSIM blurred"), Column("SSIM restored"), Column("gain SSIM"),
        Column("red", help="mean shift of the channel, in grey levels"), Column("green"),
        Column("blue"), Column("grid", help="how far a pattern of 2 or 4 pixels stands out, in dB"),
        Column("seconds"),
    ]  # fmt: skip
    rows = []
    for entry in source.document["per_image"]:
        artefacts = entry.get("artefacts") or {}
        shifts = [artefacts.get(f"shift_{colour}") for colour in ("red", "green", "blue")]
        rows.append(
            [
                Cell(entry["name"]),
                *_both(entry["blurred"], entry["restored"]),
                *(number(shift, 2, none="–") for shift in shifts),
                number(artefacts.get("grid"), 1, none="–"),
                number(entry.get("seconds"), 3, none="–"),
            ]
        )
    return Table(name, f"{title_of(source)}: every picture", columns, rows)


def has_infinite(scores: dict[str, Any]) -> bool:
    """Whether a picture equals its twin: its PSNR is null beside a score of both that is there.

    A PSNR that is not there at all, as of a file that held NaN, is not known to be infinite.
    """
    return (
        "psnr" in scores
        and scores["psnr"] is None
        and any(
            scores.get(key) is not None
            for key in CONVENTIONS
            if key not in (*PSNRS, *NO_TWIN_NEEDED)
        )
    )


def psnr_of(scores: dict[str, Any]) -> float | None:
    """A picture's PSNR, infinite where JSON could not say so."""
    return float("inf") if has_infinite(scores) else scores.get("psnr")


def _both(before: dict[str, Any], after: dict[str, Any]) -> Row:
    b, r = psnr_of(before), psnr_of(after)
    change = gain_of({"blurred": before, "restored": after})
    row = [number(b, 2, none="–"), number(r, 2, none="–"), gain(change, 2, none="–")]
    b, r = before.get("ssim"), after.get("ssim")
    return [
        *row,
        number(b, 4, none="–"),
        number(r, 4, none="–"),
        gain(difference(b, r), 4, none="–"),
    ]
