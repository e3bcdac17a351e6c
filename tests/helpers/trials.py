"""What the scripts of tests/chaos have in common: command line, loop over the trials, and last line."""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence

EXPECTED = "as expected"
Trials = Callable[[str, int, int], Iterator[tuple[str, str]]]


def run_trials(
    about: str, kinds: Sequence[str], trials: Trials, *, good: Collection[str] = (EXPECTED,), quick: bool = False
) -> None:
    """Make the trials of a command line, ``SCRIPT KIND TRIALS [SEED]``; exit with 1 unless all are as expected.

    ``trials``: of a kind, a number and a seed to what each trial came to and what happened in it; ``good``: what it may
    come to; ``quick``: only what is not good is told.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("kind", choices=kinds)
    parser.add_argument("trials", type=int)
    parser.add_argument("seed", type=int, nargs="?", default=0)
    asked, counts = parser.parse_args(), Counter()
    for number, (outcome, told) in enumerate(trials(asked.kind, asked.trials, asked.seed)):
        counts[outcome] += 1
        if not quick or outcome not in good:
            print(f"trial {number}: {told}: {outcome}", flush=True)
    if len(good) > 1:
        print(f"{asked.kind}: {', '.join(f'{count} {outcome}' for outcome, count in sorted(counts.items()))}")
    as_expected = sum(counts[outcome] for outcome in good)
    print(f"{asked.kind}: {as_expected} of {asked.trials} trials as expected")  # run.py reads it
    sys.exit(as_expected != asked.trials)


def outcome_of(faults: Sequence[str]) -> str:
    """What a trial came to in which these things were wrong."""
    return ", ".join(faults) or EXPECTED
