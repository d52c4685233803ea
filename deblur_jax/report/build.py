"""Builds a report: reads the files, lays them out, writes page, Markdown, CSV and plots.

index.html          everything, pictures and plots inside; needs no network and no other file
report.md           the tables, for a README
tables/NAME.csv     each table, numbers in full precision
plots/NAME.svg      each plot
"""

from collections.abc import Sequence
from pathlib import Path

from deblur_jax.atomic import refuse_unwritable, write_text
from deblur_jax.errors import UsageError
from deblur_jax.report import texts
from deblur_jax.report import training as training_log
from deblur_jax.report.documents import Sources, read_all
from deblur_jax.report.layout import lay_out
from deblur_jax.report.remarks import title_of
from deblur_jax.version import __version__
from deblur_jax.web.elements import NOT_MEASURED, Plot, Plots, Section, change, plain
from deblur_jax.web.page import lines, render

PAGE = "index.html"
TITLE = "Motion deblurring: what was measured"
INTRO = (
    "Tables and plots from measured files. The blurred input's own score stands beside every "
    f"model's; what nobody measured says '{NOT_MEASURED}'."
)
MOST_FACTS = 4


def build(files: Sequence[str], output: str | Path) -> Path:
    """Writes the report of these files into a folder and returns its page.

    Args:
      files: results.json, kernel_study.json, benchmarks' JSON, metrics.jsonl, or workdirs; a model
        may be renamed by NAME=FILE.
      output: folder, made if it is absent. Files of an earlier report are replaced.

    Raises:
      UsageError: no files, or one that is not there.
      UserError: a file that cannot be read or is damaged, or a place that cannot be written.
    """
    if not files:
        raise UsageError("a report needs at least one file")
    folder = Path(output)
    sources = read_all(files)
    refuse_unwritable(folder / PAGE)
    trainings = [training_log.read(path) for path in sources.trainings]
    sections = lay_out(sources, trainings)
    page = render(
        "report.html",
        title=TITLE,
        intro=f"{INTRO} Click a column's head to sort by it.",
        facts=_facts(sources),
        sections=sections,
        footer=f"deblur-jax {__version__}. PSNR and SSIM are over 8-bit RGB after rounding, mean "
        "of the pictures; SSIM with a Gaussian window of 11, each channel on its own. Pictures are "
        "compressed for this page, enlarged parts are exact.",
    )
    for table in texts.tables(sections):
        write_text(folder / "tables" / f"{table.name}.csv", texts.comma_separated(table))
    for index, run in enumerate(trainings):
        suffix = f"-{index}" if index else ""
        write_text(folder / "tables" / f"training{suffix}.csv", run.csv)
    for plot in _plots(sections):
        write_text(folder / "plots" / f"{plot.name}.svg", plot.svg)
    write_text(folder / "report.md", texts.markdown(TITLE, INTRO, sections))
    write_text(folder / PAGE, page)  # last: where it is, all the rest is
    return folder / PAGE


def _facts(sources: Sources) -> list[tuple[str, str]]:
    """The head's figures: the mean PSNR of the first evaluations."""
    facts = []
    for source in sources.evaluations[:MOST_FACTS]:
        document = source.document
        value = change(document["blurred"].get("psnr"), document["restored"].get("psnr"), 2, " dB")
        text = lines([("", value)])[0].strip() if value else NOT_MEASURED
        facts.append((f"{title_of(source)}: PSNR of {document['count']} pictures", text))
    return facts


def _plots(sections: Sequence[Section]) -> list[Plot]:
    elements = [e for section in sections for e in plain(section.elements)]
    return [plot for each in elements if isinstance(each, Plots) for plot in each.plots]
