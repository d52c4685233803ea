"""A comparison for a person to read."""

from typing import Any

HEADINGS = ("", "median ms", "p10–p90", "jax by it", "error", "MB", "load s", "compile s")
_PARTS = {
    "restore": "one pass",
    "step": "one training step",
    "penalty": "the critic's penalty with its gradients",
    "generator": "the generator forward and backward",
}


def sentences(m: dict[str, Any]) -> str:
    """The measures: what was run, a row a contender, and who is the fastest peer."""
    name = m["config"] or m["weights"]["name"]
    right = f"errors are against {m['reference']}" if m["reference"] else "values were not compared"
    head = (
        f"{name}, {m['parameters'] / 1e6:.2f} M parameters, {_PARTS[m['part']]} at "
        f"{m['width']}x{m['height']}, on {m['device']}, {m['threads']} threads; {m['rounds']} "
        f"rounds, {right}"
    )
    rows = [_row(m, contender) for contender in m["contenders"]]
    return "\n".join([head, "", *_aligned([list(HEADINGS), *rows]), *_left_out(m), "", _best(m)])


def _row(m: dict[str, Any], name: str) -> list[str]:
    entry = m["contenders"][name]
    if entry["status"] != "timed":
        return [name, entry["status"], *[""] * (len(HEADINGS) - 2)]
    against = m["ratios"].get("jax", {}).get(name)
    memory, error = entry["peak_rss_mb"], entry.get("largest_error")
    return [
        name,
        f"{entry['median_s'] * 1e3:.4g}",
        f"{entry['p10_s'] * 1e3:.4g}–{entry['p90_s'] * 1e3:.4g}",
        "" if against is None else f"{against['median']:.2f}",
        "" if error is None else f"{error:.1e}",
        "" if memory is None else f"{memory:.0f}",
        f"{entry['load_s']:.1f}",
        f"{entry['compile_s']:.1f}",
    ]


def _aligned(rows: list[list[str]]) -> list[str]:
    """The first column to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _left_out(m: dict[str, Any]) -> list[str]:
    """Why those were not timed that were not."""
    reasons = [entry["why"] for entry in m["contenders"].values() if entry["why"]]
    return ["", *reasons] if reasons else []


def _best(m: dict[str, Any]) -> str:
    fastest, ratio = m["fastest_peer"], m["ratio_to_fastest_peer"]
    if fastest is None:
        return "no peer was timed"
    if ratio is None:
        return f"the fastest peer is {fastest}"
    return (
        f"jax takes {ratio['median']:.2f} of the time of {fastest}, the fastest peer "
        f"(10 to 90 % of the rounds: {ratio['p10']:.2f} to {ratio['p90']:.2f})"
    )
