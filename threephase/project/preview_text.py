"""What dvc would run in a study, as text for the terminal."""

from collections.abc import Iterable, Sequence

from threephase.project.run_state import Preview, SeedRun, count_trainings
from threephase.study import topology
from threephase.study.params import Study

FROM_CACHE = "What dvc's cache holds of them is taken from there."
INDENT = "    "


def never_run(study: Study) -> str:
    """Of a study without any predictions."""
    baselines = [one for one in topology.trainings(study) if one.stage in topology.BASELINE_STAGES]
    trainings, seeds = _count(count_trainings(study), "training"), _count(len(study.params.seeds), "seed")
    return (
        f"{study.params.name}: never run here; {study.in_folder} repro runs {trainings} ({seeds}) and "
        f"{_count(len(baselines), 'baseline')}. {FROM_CACHE}"
    )


def preview_text(study: Study, preview: Preview) -> str:
    """Every training that would run with its reasons, those behind it, and the other stages."""
    name, command = study.params.name, f"{study.in_folder} repro"
    if preview.up_to_date():
        return f"{name}: nothing would run"
    runs = preview.waiting
    trainings, baselines = ([run for run in runs if _is_baseline(run) is kind] for kind in (False, True))
    fitted = len({run.training for run in baselines})
    lines = [
        f"{name}: {command} would run {len(trainings)} of {_count(count_trainings(study), 'training')} and "
        f"{_count(fitted, 'baseline')}." + f" {FROM_CACHE}" * bool(runs)
    ]
    lines += _by_reasons((_named(those), reasons) for reasons, those in _alike(run for run in runs if not run.follows))
    following = [(_named(those), reasons) for reasons, those in _alike(run for run in runs if run.follows)]
    if following:
        lines += ["", "Behind them, where what they start from comes out differently:", *_by_reasons(following)[1:]]
    if preview.others:
        lines += [
            "",
            "Other stages:",
            *_by_reasons(([stage], reasons) for stage, reasons in preview.others.items())[1:],
        ]
    if runs:
        lines += ["", "Then the summaries of these cells, the tables, the figures and the page."]
    return "\n".join(lines)


def _is_baseline(run: SeedRun) -> bool:
    return run.training.stage in topology.BASELINE_STAGES


def _alike(runs: Iterable[SeedRun]) -> list[tuple[tuple[str, ...], list[SeedRun]]]:
    """The runs of one training with the same reasons together."""
    found: dict[tuple, list[SeedRun]] = {}
    for run in runs:
        found.setdefault((run.training, run.reasons), []).append(run)
    return [(reasons, those) for (_, reasons), those in found.items()]


def _named(runs: Sequence[SeedRun]) -> list[str]:
    """The training that the runs share, with its seeds; a baseline's stage runs all of them."""
    first, seeds = runs[0], [run.seed for run in runs]
    which = "" if _is_baseline(first) else f", seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
    return [f"{first.training.stage} {first.training.cell}{which}"]


def _by_reasons(named: Iterable[tuple[list[str], tuple[str, ...]]]) -> list[str]:
    """Names under each other where they have the same reasons, which stand once below them."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for names, reasons in named:
        groups.setdefault(reasons, []).extend(names)
    lines = []
    for reasons, names in groups.items():
        lines += ["", *names, *(f"{INDENT}{reason}" for reason in reasons)]
    return lines


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
