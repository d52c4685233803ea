"""What was wrong with a `--config…` flag, in one sentence."""

import re


def explain(error: Exception) -> str:
    """A sentence for an error that reading flags and configuration files raised."""
    text = str(error).replace("\\", "")
    if "earlier failure to load" in text:
        reason = [line.strip() for line in text.splitlines() if line.strip()][-1]
        return f"cannot load the configuration: {re.sub(r'^[[]Errno [0-9]+[]] ', '', reason)}"
    if "Traceback (most recent call last)" in text:  # of the configuration's own code
        reason = [line.strip() for line in text.splitlines() if line.strip()][-1]
        return f"cannot load the configuration: {re.sub(r'^[A-Za-z.]*Error: ', '', reason)}"
    if isinstance(error, (AttributeError, KeyError)):
        near = re.search(r'Did you mean "([^"]+)" instead of "([^"]+)"', text)
        if near:
            return f"the configuration has no field {near[2]!r}; the nearest is {near[1]!r}"
        key = re.search(r"[\"']+(\w+)[\"']+", text)
        if key:
            return f"the configuration has no field {key[1]!r} (configs/default.py lists them all)"
    return text.strip().split("\n", maxsplit=1)[0]
