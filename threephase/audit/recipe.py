"""Plain fine-tuning by a study's settings against an ordinary recipe, with and without phases 1 and 2."""

from collections.abc import Sequence

from threephase.audit.item import FINDING, PASSES, Item, code_of, table
from threephase.audit.published_runs import PublishedStudy
from threephase.results.differences import compare
from threephase.results.tables import format_difference, format_number
from threephase.scores.statistics import NOT_RUN, ROWS_ONLY, UNDECIDED

FT, FT_ORDINARY, THREE, THREE_ORDINARY = VARIANTS = ("ft", "ft_ordinary", "three_phase", "three_phase_ordinary")
SHOWN = [
    "Study", "Encoder", "Protocol", "FT", "FT, ordinary", "Ordinary minus own settings",
    "Three phases minus FT, own settings", "Three phases minus FT, ordinary", "Intervals",
]  # fmt: skip


def difference(study: PublishedStudy, encoder: str, variant: str, other: str) -> dict:
    """The paired difference of two cells of a study, with its interval."""
    pair = [(encoder, variant), (encoder, other)]
    return compare(study.study, pair, *map(study.rows_of, pair))


def stated(compared: dict) -> str:
    """A difference with its interval as text."""
    return format_difference(compared["difference"], compared["ci_low"], compared["ci_high"])


def audit(published: Sequence[PublishedStudy]) -> Item:
    """Every published study and encoder with both recipes."""
    rows, said, stronger, decided = [], [], 0, 0
    for study in published:
        for encoder in study.study.params.encoders:
            if not study.has(*((encoder, variant) for variant in VARIANTS)):
                continue
            gain = difference(study, encoder, FT_ORDINARY, FT)
            leads = [difference(study, encoder, THREE, FT), difference(study, encoder, THREE_ORDINARY, FT_ORDINARY)]
            decided += gain["ci_kind"] != ROWS_ONLY
            stronger += gain["ci_kind"] != ROWS_ONLY and gain["ci_low"] > 0
            plain, ordinary = (study.mean((encoder, variant)) for variant in (FT, FT_ORDINARY))
            about = {"Study": study.name, "Encoder": encoder, "Protocol": study.study.params.protocol}
            values = {"FT": format_number(plain), "FT, ordinary": format_number(ordinary)}
            values |= dict(zip(SHOWN[5:8], map(stated, [gain, *leads]), strict=True))
            rows.append(about | values | {"Intervals": gain["ci_kind"]})
            said.append(
                f"{study.name}: {format_number(plain)}% by its settings, {format_number(ordinary)}% by the ordinary "
                f"recipe ({stated(gain)}), and the three phases' lead over it goes from {stated(leads[0])} to "
                f"{stated(leads[1])}"
            )
    outcome = FINDING if stronger else PASSES if decided else UNDECIDED
    return Item(
        id="recipe",
        title="How strong the fine-tuning baseline is",
        question="Does plain fine-tuning get better by a recipe that many would use, on the same rows and budget?",
        method=(
            "Our runs of phase 3 by the study's own settings (table 5's, in some with fewer epochs) and by an ordinary "
            "recipe. That trains the encoder with one of two learning rates for at most ten epochs, both chosen on the "
            "rows that choose the epoch. Paired differences by seed and test row in points of the primary metric."
        ),
        finding="; ".join(said) + "." if said else "No published study has both recipes.",
        outcome=outcome if rows else NOT_RUN,
        **table(SHOWN, rows),
        code=code_of(__name__),
        falsify=(
            "A paired difference whose interval does not lie above 0 with more seeds. all-MiniLM-L6-v2 stands in for "
            "the paper's encoders: a run with these could say otherwise."
        ),
        data="reports/published/*: predictions.parquet",
    )
