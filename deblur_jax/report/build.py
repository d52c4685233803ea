"""Builds a report: reads the files, lays out the sections, writes page, Markdown, CSV and plots.

index.html          everything, pictures and plots inside; needs no network and no other file
report.md           the tables, for a README
tables/NAME.csv     each table, numbers in full precision
plots/NAME.svg      each plot
"""

from collections.abc import Sequence
from pathlib import Path

from deblur_jax import plots
from deblur_jax.atomic import refuse_unwritable, write_text
from deblur_jax.errors import UsageError
from deblur_jax.report import comparison, history, kernels, pictures, runs, scores, speed, texts
from deblur_jax.report import training as training_log
from deblur_jax.report.documents import Source, Sources, read_all
from deblur_jax.version import __version__
from deblur_jax.web.elements import (
    NOT_MEASURED,
    Element,
    Folded,
    Heading,
    Plot,
    Plots,
    Prose,
    Section,
    change,
)
from deblur_jax.web.page import lines, render

PAGE = "index.html"
TITLE = "Motion deblurring: what was measured"
KINDS = "kinds"  # the data set of `evaluation.kinds`: Figs. 5 and 6
INTRO = (
    "Tables and plots from measured files. The blurred input's own score stands beside every "
    f"model's; what nobody measured says '{NOT_MEASURED}'. Click a column's head to sort."
)


def build(files: Sequence[str], output: str | Path) -> Path:
    """Writes the report of these files into a folder and returns its page.

    Args:
      files: results.json, kernel_study.json, benchmarks' JSON, metrics.jsonl, or workdirs; a model
        may be renamed by NAME=FILE.
      output: folder, made if it is absent.

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
        intro=INTRO,
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
    write_text(folder / PAGE, page)
    return folder / PAGE


def lay_out(sources: Sources, trainings: Sequence[training_log.Training] = ()) -> list[Section]:
    """The sections, in the order of the Columbia report: figures, then what it left out."""
    of_pairs = [s for s in sources.evaluations if s.document["dataset"] != KINDS]
    kinds = [s for s in sources.evaluations if s.document["dataset"] == KINDS]
    found = []
    if sources.evaluations:
        found.append(_scores(of_pairs or sources.evaluations))
        found.append(Section("table-1-report", "Table 1", [history.table_1(of_pairs)]))
    for index, group in enumerate(comparison.groups(of_pairs)):
        found.append(_group(group, index))
    found += [_kinds(source, index) for index, source in enumerate(kinds)]
    found += [kernels.section(source, i) for i, source in enumerate(sources.kernel_studies)]
    if sources.kohler:
        found.append(_kohler(sources.kohler))
    if sources.benchmarks:
        found.append(speed.section(sources.benchmarks))
    found += [runs.section(run, index) for index, run in enumerate(trainings)]
    if sources.evaluations:
        table = history.published_table("gopro", of_pairs)
        found.append(Section("published", "Published figures", [table]))
    return found


def _scores(evaluations: Sequence[Source]) -> Section:
    return Section(
        "measured",
        "Scores",
        [scores.summary_table(evaluations), scores.conventions_table(evaluations)],
    )


def _group(group: Sequence[Source], index: int) -> Section:
    """Everything on one set of pictures: models side by side, gains, examples, all pictures."""
    document = group[0].document
    names = [entry["name"] for entry in document["per_image"]]
    many = len(group) > 1
    title = f"{document['dataset']}, {scores.protocol_words(document)}"
    found: list[Element | Folded] = []
    if many:
        found.append(comparison.model_table(group, f"models-{index}"))
    series = [(source.label, comparison.gains_of(source, names)) for source in group]
    if any(value is not None for _, gains in series for value in gains):
        svg = plots.gains(f"Gain of every picture: {title}", names, series)
        found.append(Plots([Plot(f"gains-{index}", svg)]))
    for number_of, source in enumerate(group):
        found += _examples(source, heading=many)
        table = scores.scene_table(source, f"scenes-{index}-{number_of}")
        found += [table] if table else []
    sliders = pictures.gallery(group, f"pictures-{index}")
    if sliders:
        found += [Heading("Before and after"), sliders]
    if many:
        found.append(_folded(comparison.gains_table(group, f"gains-{index}")))
    for number_of, source in enumerate(group):
        found.append(_folded(scores.picture_table(source, f"pictures-{index}-{number_of}")))
    models = ", ".join(source.label for source in group)
    return Section(f"set-{index}", f"{models} on {title}" if not many else title, found)


def _folded(table: Element) -> Folded:
    return Folded(getattr(table, "title", ""), table)


def _examples(source: Source, *, heading: bool) -> list[Element]:
    """Fig. 4 of the report: the best, the median and the worst picture by gain."""
    chosen = pictures.examples(source.document["per_image"])
    triples = [pictures.triple(source, example) for example in chosen]
    at_hand = [triple for triple in triples if triple is not None]
    words = "Best, median and worst by gain" + (f": {source.label}" if heading else "")
    if not chosen:
        return []
    if not at_hand:
        ranks = ", ".join(f"{each.rank} {each.entry['name']}" for each in chosen)
        return [Prose(f"{words}: {ranks}; their pictures were not kept beside the results.")]
    return [Heading(words), *at_hand]


def _kinds(source: Source, index: int) -> Section:
    """Figs. 5 and 6: pictures of other kinds."""
    sliders = pictures.gallery([source], f"kinds-{index}")
    found: list[Element | Folded] = [
        Prose(
            "Pictures of kinds that no deblurring model was trained on, blurred by simulated "
            "motion, with their gains; clock_motion was blurred by a real camera."
        )
    ]
    table = scores.scene_table(source, f"kinds-scenes-{index}")
    found += [table] if table else []
    found += [sliders] if sliders else [Prose("Their pictures were not kept.")]
    found.append(_folded(scores.picture_table(source, f"kinds-pictures-{index}")))
    title = f"Pictures of other kinds (Figs. 5 and 6): {source.label}"
    return Section(f"kinds-{index}" if index else "kinds", title, found)


def _kohler(sources: Sequence[Source]) -> Section:
    found = [scores.kohler_table(sources), history.published_table("kohler", sources)]
    return Section("kohler", "Köhler's benchmark", found)


def _facts(sources: Sources) -> list[tuple[str, str]]:
    """The head's figures: each evaluation's mean gain, at most four of them."""
    facts = []
    for source in sources.evaluations[:4]:
        document = source.document
        before, after = document["blurred"].get("psnr"), document["restored"].get("psnr")
        value = change(before, after, 2, " dB")
        text = lines([("", value)])[0].strip() if value else NOT_MEASURED
        facts.append((f"{scores.title_of(source)}: {document['count']} pictures", text))
    return facts


def _plots(sections: Sequence[Section]) -> list[Plot]:
    groups = [e for section in sections for e in section.elements if isinstance(e, Plots)]
    return [plot for group in groups for plot in group.plots]
