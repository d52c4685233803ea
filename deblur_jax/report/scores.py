"""Tables of measured scores: over all files, by convention, by scene and by picture."""

import math
from collections.abc import Sequence
from typing import Any

from deblur_jax.report.documents import Document, Source
from deblur_jax.web.elements import Cell, Column, Table, gain, number

Row = list[Cell]

CONVENTIONS = {
    "psnr": ("PSNR", "dB, of 8-bit RGB after rounding, mean of the pictures"),
    "psnr_truncated": ("PSNR, truncated", "dB, the network's values cut to 8 bits, not rounded"),
    "psnr_floats": ("PSNR, floats", "dB, the network's values neither rounded nor clipped"),
    "ssim": ("SSIM", "11x11 Gaussian, each channel: scikit-image's"),
    "ssim_matlab3d": ("SSIM, MATLAB 3-D", "as MPRNet, Restormer and NAFNet report it"),
    "ssim_luminance": ("SSIM, luminance", "of the gray pictures"),
    "ms_ssim": ("MS-SSIM", "five scales, of the gray pictures"),
    "cw_ssim_1d": ("CW-SSIM 1-D", "pyssim's, behind DeblurGAN's .958"),
    "lpips": ("LPIPS", "lower is better"),
    "niqe": ("NIQE", "lower is better, needs no sharp picture"),
}


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
        Column("p90 s"),
        Column("device", numeric=False),
    ]
    rows = [_summary_row(source) for source in sources]
    return Table("scores", "What was measured", columns, rows, notes(sources))


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
    row += [number(seconds.get(key), 3) for key in ("median", "p90")]
    return [*row, Cell(str(document.get("device", "not stated")))]


def kohler_table(sources: Sequence[Source]) -> Table:
    """One row a model: the best over the frames, mean of the photographs."""
    columns = [
        Column("model", numeric=False), Column("photographs"), Column("PSNR blurred"),
        Column("PSNR restored"), Column("gain"), Column("MS-SSIM blurred"),
        Column("MS-SSIM restored"), Column("device", numeric=False),
    ]  # fmt: skip
    rows = []
    for source in sources:
        document = source.document
        before, after = document["blurred"], document["restored"]
        psnr = before.get("psnr"), after.get("psnr")
        rows.append(
            [
                Cell(source.label),
                Cell(str(document["count"]), document["count"]),
                number(psnr[0], 2),
                number(psnr[1], 2),
                gain(difference(*psnr), 2),
                *(number(side.get("ms_ssim"), 4) for side in (before, after)),
                Cell(str(document.get("device", "not stated"))),
            ]
        )
    found = [note for source in sources for note in _own_notes(source)]
    found.append(
        "Brightness scaled and shifted by whole pixels to each sharp frame, the best frame counts; "
        "the benchmark's figures are over all 48 photographs."
    )
    return Table("kohler-scores", "Aligned scores", columns, rows, found)


def protocol_words(document: Document) -> str:
    """`full`, `half`, `resize256, nearest`."""
    filter_ = document.get("filter")
    return document["protocol"] + (f", {filter_}" if filter_ and filter_ != "bicubic" else "")


def blur_words(document: Document) -> str:
    """GoPro's `linear` or `gamma`, or the folder that the blurred pictures came from."""
    folder = document.get("blurred_folder")
    return document.get("subset") or (f"{folder}/" if folder else "not stated")


def difference(before: float | None, after: float | None) -> float | None:
    """after - before, None where one of them is not there."""
    return None if before is None or after is None else after - before


def notes(sources: Sequence[Source]) -> list[str]:
    """What a reader must know before comparing the rows: said, not averaged away."""
    found = []
    for words, differ in (
        ("protocols", {protocol_words(s.document) for s in sources}),
        ("data", {str(s.document["dataset"]) for s in sources}),
        ("kinds of blur", {blur_words(s.document) for s in sources}),
    ):
        if len(differ) > 1:
            found.append(
                f"Rows of different {words} ({', '.join(sorted(differ))}) do not compare; "
                "no mean is taken over them."
            )
    for source in sources:
        found += _own_notes(source)
    return found


def _own_notes(source: Source) -> list[str]:
    document, found = source.document, []
    name = f"{source.label} on {document['dataset']}, {protocol_words(document)}"
    if source.not_finite:
        found.append(f"{name}: {source.not_finite} numbers of the file are not finite, left out.")
    failed = document.get("failed") or []
    if failed:
        first = failed[0]
        more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
        found.append(
            f"{name}: {len(failed)} not scored, in no mean: {first.get('name')} "
            f"({first.get('reason')}){more}."
        )
    for side, count in (document.get("infinite_psnr") or {}).items():
        if count:
            found.append(
                f"{name}: {count} {side} equal to the sharp twin (infinite PSNR), not in the mean."
            )
    return found + _wrong_mean(name, document)


def _wrong_mean(name: str, document: Document) -> list[str]:
    """A file whose mean is not that of its pictures was put together by hand."""
    for side in ("blurred", "restored"):
        values = [e[side].get("psnr") for e in document["per_image"]]
        known = [value for value in values if value is not None]
        mean = document[side].get("psnr")
        if known and mean is not None and abs(math.fsum(known) / len(known) - mean) > 0.005:
            return [
                f"{name}: the file's mean PSNR of {side}, {mean:.2f} dB, is not that of its "
                f"pictures, {math.fsum(known) / len(known):.2f} dB."
            ]
    return []


def conventions_table(sources: Sequence[Source]) -> Table:
    """Every convention side by side, the blurred input's row above the restored one's."""
    keys = [
        key
        for key in CONVENTIONS
        if any(s.document[side].get(key) is not None for s in sources for side in _SIDES)
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
        for side in _SIDES:
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


def title_of(source: Source) -> str:
    """`default on gopro, full`."""
    document = source.document
    return f"{source.label} on {document['dataset']}, {protocol_words(document)}"


def has_infinite(scores: dict[str, Any]) -> bool:
    """Whether a picture's PSNR is infinite: null beside another score that is there."""
    return scores.get("psnr") is None and any(
        value is not None for key, value in scores.items() if not key.startswith("psnr")
    )


def psnr_of(scores: dict[str, Any]) -> float | None:
    """A picture's PSNR, infinite where JSON could not say so."""
    return float("inf") if has_infinite(scores) else scores.get("psnr")


def gain_of(entry: dict[str, Any]) -> float | None:
    """A picture's gain in dB; None where one of its PSNRs is infinite or not there."""
    return difference(entry["blurred"].get("psnr"), entry["restored"].get("psnr"))


def _both(before: dict[str, Any], after: dict[str, Any]) -> Row:
    b, r = psnr_of(before), psnr_of(after)
    both = (before.get("psnr"), after.get("psnr"))
    row = [number(b, 2, none="–"), number(r, 2, none="–"), gain(difference(*both), 2, none="–")]
    b, r = before.get("ssim"), after.get("ssim")
    return [
        *row,
        number(b, 4, none="–"),
        number(r, 4, none="–"),
        gain(difference(b, r), 4, none="–"),
    ]


_SIDES = ("blurred", "restored")
