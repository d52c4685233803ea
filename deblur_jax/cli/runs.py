"""What each command does with its arguments: calls, prints, and gives the exit code.

What a command needs is imported when it runs, so that the others start quickly.
"""

import argparse
import textwrap


def deblur(args: argparse.Namespace) -> int:
    from deblur_jax.commands import restoring
    from deblur_jax.progress import Reporter

    with Reporter() as reporter:
        summary = restoring.deblur(
            args.inputs,
            args.output,
            weights=args.weights,
            precision=args.precision,
            tile=args.tile,
            max_memory=args.max_memory,
            dropout=args.dropout,
            self_ensemble=args.self_ensemble,
            strength=args.strength,
            luminance_only=args.luminance_only,
            preview=args.preview,
            compare=args.compare,
            format=args.format,
            quality=args.quality,
            overwrite=args.overwrite,
            progress=reporter.job,
            frame_progress=reporter.frame,
        )
    print(f"{args.output}: {summary}")
    return 1 if summary.failed else 0


def serve(args: argparse.Namespace) -> int:
    from deblur_jax.commands import serving

    serving.serve(
        weights=args.weights,
        precision=args.precision,
        tile=args.tile,
        max_memory=args.max_memory,
        dropout=args.dropout,
        self_ensemble=args.self_ensemble,
        host=args.host,
        port=args.port,
        max_megabytes=args.max_megabytes,
        max_megapixels=args.max_megapixels,
        max_waiting=args.max_waiting,
    )
    return 0


def export(args: argparse.Namespace) -> int:
    from deblur_jax.commands import weights

    print(
        weights.export(
            args.weights,
            args.output,
            values=args.values,
            precision=args.precision,
            platforms=args.platforms,
            overwrite=args.overwrite,
        )
    )
    return 0


def blur(args: argparse.Namespace) -> int:
    from deblur_jax.commands import making
    from deblur_jax.progress import Reporter

    with Reporter() as reporter:
        summary = making.blur(
            args.inputs,
            args.output,
            method=args.method,
            kernel_size=args.kernel_size,
            seed=args.seed,
            constants=args.constants,
            light=args.light,
            exposure=args.exposure,
            noise=None if args.noise is None else (args.noise[0], args.noise[1]),
            jpeg=args.jpeg,
            compat=args.compat,
            overwrite=args.overwrite,
            progress=reporter.job,
        )
    print(f"{args.output}: {summary}")
    return 1 if summary.failed else 0


def evaluate(args: argparse.Namespace) -> int:
    from deblur_jax.commands import measuring
    from deblur_jax.evaluation.results import summary
    from deblur_jax.progress import Reporter

    with Reporter("pair") as reporter:
        results = measuring.evaluate(
            args.output,
            pairs=args.pairs,
            dataset=args.dataset,
            directory=args.directory,
            subset=args.subset,
            protocol=args.protocol,
            filter=args.filter,
            weights=args.weights,
            precision=args.precision,
            dropout=args.dropout,
            self_ensemble=args.self_ensemble,
            limit=args.limit,
            pictures=args.pictures,
            perceptual=args.perceptual,
            overwrite=args.overwrite,
            command=args.call,
            progress=reporter.item,
            say=reporter.say,
        )
    if results is None:
        print(f"{args.output}: exists and was skipped (--overwrite replaces it)")
        return 0
    print(summary(results))
    return 1 if "failed" in results else 0


def kernel_study(args: argparse.Namespace) -> int:
    from deblur_jax.commands import measuring
    from deblur_jax.evaluation.kernel_study.findings import table
    from deblur_jax.progress import Reporter

    with Reporter() as reporter:
        study = measuring.kernel_study(
            args.images,
            args.output,
            weights=args.weights,
            precision=args.precision,
            dropout=args.dropout,
            self_ensemble=args.self_ensemble,
            limit=args.limit,
            overwrite=args.overwrite,
            progress=reporter.job,
        )
    if study is None:
        print(f"{args.output}: holds a study, which was skipped (--overwrite replaces it)")
        return 0
    print(table(study.document["summary"]))
    print(textwrap.fill(study.document["conclusion"], 100))
    print(f"{args.output}: {study.summary}")
    return 1 if study.summary.failed else 0


def report(args: argparse.Namespace) -> int:
    from deblur_jax.commands import measuring
    from deblur_jax.progress import Reporter

    with Reporter() as reporter:
        said, failed = measuring.report(
            args.results,
            args.output,
            weights=args.weights,
            precision=args.precision,
            overwrite=args.overwrite,
            progress=reporter.item,
        )
    print(said)
    return 1 if failed else 0


def make_pairs(args: argparse.Namespace) -> int:
    from deblur_jax.commands import making
    from deblur_jax.data.video.scenes import summary
    from deblur_jax.progress import FrameReporter

    with FrameReporter() as reporter:
        scenes = making.make_pairs(
            args.inputs,
            args.output,
            frames=args.frames,
            blurred=args.blurred,
            seed=args.seed,
            limit=args.limit,
            overwrite=args.overwrite,
            frame_progress=reporter.frame,
            scene_progress=reporter.scene,
        )
    print(f"{args.output}: {summary(scenes)}")
    return 1 if any(scene.failure for scene in scenes) else 0


def import_weights(args: argparse.Namespace) -> int:
    from deblur_jax.commands import weights

    print(
        weights.import_weights(
            args.input, args.output, output_mode=args.output_mode, overwrite=args.overwrite
        )
    )
    return 0


def export_weights(args: argparse.Namespace) -> int:
    from deblur_jax.commands import weights

    print(
        weights.export_weights(
            args.weights, args.output, critic=args.critic, overwrite=args.overwrite
        )
    )
    return 0


def info(_args: argparse.Namespace) -> int:
    from deblur_jax.commands import about

    print(about.info())
    return 0
