"""A study in one line: what it runs, and its state."""

from threephase.model.machine import choose_machine
from threephase.project.run_state import DATA_STAGES, NEVER_RUN, OUTPUT_GONE, count_trainings, predictions_made, preview
from threephase.study.paper_params import Paper
from threephase.study.params import Study

COLUMNS = ("study", "data set", "encoders", "protocol", "trainings", "state")


def row_of(study: Study, paper: Paper) -> tuple[str, ...]:
    """The cells of ``COLUMNS``."""
    params = study.params
    return (
        params.name, params.dataset, ", ".join(params.encoders), params.protocol,
        str(count_trainings(study)), state_of(study, paper),
    )  # fmt: skip


def state_of(study: Study, paper: Paper) -> str:
    """Never run, partly run, stale or complete; ``make preview`` tells why a study is stale."""
    made, whole = predictions_made(study)
    if not made:
        return "never run"
    seen = preview(study, choose_machine(study.shared.engine), paper)
    not_made = ((NEVER_RUN,), (OUTPUT_GONE,))
    stale = [run for run in seen.waiting if not run.follows and run.reasons not in not_made]
    if stale:
        return f"stale: {len(stale)} trainings have other settings now"
    if any(name.partition(" ")[0] in DATA_STAGES for name in seen.others):
        return "stale: data, splits or encoder have other settings now"
    if seen.waiting and all(run.follows for run in seen.waiting):
        return f"stale: {len(seen.waiting)} trainings start from what was made anew"
    if made < whole:
        return f"partly run: {made} of {whole} predictions"
    return "complete, but tables and page are older" if seen.others else "complete"
