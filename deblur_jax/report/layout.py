"""The sections of a report, in the order of the Columbia report's figures."""

from collections.abc import Sequence

from deblur_jax import plots
from deblur_jax.evaluation.examples import examples
from deblur_jax.report import (
    ablation,
    comparison,
    files,
    history,
    kernels,
    kohler,
    pictures,
    remarks,
    runs,
    scores,
    speed,
)
from deblur_jax.report.documents import Source, Sources
from deblur_jax.report.training import Training
from deblur_jax.web.elements import Element, Folded, Heading, Plot, Plots, Prose, Section, Table

KINDS = "kinds"  # the data set of `evaluation.kinds`: Figs. 5 and 6


def lay_out(sources: Sources, trainings: Sequence[Training] = ()) -> list[Section]:
    """The sections of these files; what nobody measured has none, but for the report's Table 1.

    Raises:
      UserError: a picture or a plot beside a file cannot be read.
    """
    of_pairs = [s for s in sources.evaluations if s.document["dataset"] != KINDS]
    kinds = [s for s in sources.evaluations if s.document["dataset"] == KINDS]
    found = []
    if sources.evaluations:
        found.append(_scores(of_pairs or kinds))
        table = history.table_1(of_pairs)
        found.append(Section("report-table-1", "Table 1 of the report", [table], short="Table 1"))
    found += [_set(group, i) for i, group in enumerate(comparison.groups(of_pairs))]
    found += [_kinds(group, i) for i, group in enumerate(comparison.groups(kinds))]
    found += [kernels.section(source, i) for i, source in enumerate(sources.kernel_studies)]
    if sources.kohler:
        found.append(kohler.section(sources.kohler))
    if sources.ablations:
        found.append(ablation.section(sources.ablations))
    if sources.benchmarks:
        found.append(speed.section(sources.benchmarks))
    found += [runs.section(run, index) for index, run in enumerate(trainings)]
    if sources.evaluations:
        table = history.published_table("gopro", of_pairs)
        found.append(Section("published", "Published figures", [table], short="Published"))
    found.append(files.section(sources))
    return found


def _scores(evaluations: Sequence[Source]) -> Section:
    conventions = scores.conventions_table(evaluations)
    failed = remarks.failed_table(evaluations, "failed")
    found: list[Element | Folded] = [scores.summary_table(evaluations)]
    found += [_folded(failed)] if failed else []
    return Section("measured", "Scores", [*found, _folded(conventions)])


def _set(group: Sequence[Source], index: int) -> Section:
    """Everything on one set of pictures: models side by side, gains, examples, all pictures."""
    document = group[0].document
    title = f"{document['dataset']}, {remarks.protocol_words(document)}"
    found: list[Element | Folded] = []
    if len(group) > 1:
        found.append(comparison.model_table(group, f"models-{index}"))
    found += _gains(group, f"gains-{index}", title)
    found += _closeups(group)
    sliders = pictures.gallery(group, f"pictures-{index}")
    found += [Heading("Before and after"), sliders] if sliders else []
    found += _details(group, index)
    return Section(
        f"set-{index}",
        title if len(group) > 1 else f"{group[0].label} on {title}",
        found,
        short=title,
    )


def _kinds(group: Sequence[Source], index: int) -> Section:
    """Figs. 5 and 6: pictures of other kinds."""
    sliders = pictures.gallery(group, f"kinds-pictures-{index}")
    found: list[Element | Folded] = [
        Prose(
            "Pictures of kinds that no deblurring model was trained on, blurred by simulated "
            "motion; clock_motion was blurred by a real camera, so it has no score."
        )
    ]
    if len(group) > 1:
        found.append(comparison.model_table(group, f"kinds-models-{index}"))
    found += [sliders] if sliders else [Prose("Their pictures were not kept.")]
    found += _details(group, f"kinds-{index}")
    labels = ", ".join(source.label for source in group)
    return Section(
        f"kinds-{index}" if index else "kinds",
        f"Pictures of other kinds (Figs. 5 and 6): {labels}",
        found,
        short="Other kinds",
    )


def _gains(group: Sequence[Source], name: str, title: str) -> list[Element | Folded]:
    """The gain of every picture as a plot."""
    names = [entry["name"] for entry in group[0].document["per_image"]]
    series = [(source.label, comparison.gains_of(source, names)) for source in group]
    if all(value is None for _, gains in series for value in gains):
        return []
    return [Plots([Plot(name, plots.gains(f"Gain of every picture: {title}", names, series))])]


def _closeups(group: Sequence[Source]) -> list[Element | Folded]:
    """Fig. 4 of the report: the best, the median and the worst picture by gain."""
    chosen = examples(group[0].document["per_image"])
    if not chosen:
        return []
    found = [each for example in chosen if (each := pictures.closeup(group, example))]
    of = f" of {group[0].label}" if len(group) > 1 else ""
    words = f"Best, median and worst by the gain{of} (as Fig. 4)"
    if not found:
        ranks = ", ".join(f"{each.rank} {each.entry['name']}" for each in chosen)
        return [Prose(f"{words}: {ranks}. Their pictures were not kept beside the results.")]
    return [Heading(words), *found]


def _details(group: Sequence[Source], index: int | str) -> list[Element | Folded]:
    """By scene and by picture, folded."""
    tables: list[Table | None] = []
    if len(group) > 1:
        tables.append(comparison.scenes_table(group, f"scenes-{index}"))
        tables.append(comparison.gains_table(group, f"gains-{index}"))
    else:
        tables.append(scores.scene_table(group[0], f"scenes-{index}"))
    for number, source in enumerate(group):
        tables.append(scores.picture_table(source, f"pictures-{index}-{number}"))
    return [_folded(table) for table in tables if table]


def _folded(table: Table) -> Folded:
    return Folded(table.title, table)
