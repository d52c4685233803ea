"""Large allocations on huge pages, for which the program has to be started anew.

XLA takes and gives back hundreds of megabytes for each picture. In pages of 4 KB that costs a tenth
of the time, and while they are given back all threads stand still, for 70 ms at 2 megapixels (glibc
2.36, jax 0.10.2, two cores of Zen 5, 2026-11-27). glibc asks for huge pages only if it is told to
when a program starts.
"""

import os
import sys
from pathlib import Path

VARIABLE, SETTING = "GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"
STATE = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def start_again_with_huge_pages(state: Path = STATE) -> None:
    """Starts this program again with the setting; called by entries before heavy imports.

    Only where it helps: on a Linux that gives huge pages to who asks for them. GLIBC_TUNABLES in
    the environment, whatever it says, stays as it is, and nothing happens then.
    """
    if sys.platform != "linux" or VARIABLE in os.environ or not sys.executable:
        return
    try:
        if "[madvise]" in state.read_text():
            again = [sys.executable, *sys.orig_argv[1:]]
            os.execve(sys.executable, again, os.environ | {VARIABLE: SETTING})
    except OSError:  # it works without
        return
