"""Params files, definitions and names changed at random: refused in one short line, or taken and not ignored."""

from tests.chaos import params


def test_a_changed_file_is_refused_in_one_line_or_changes_something():
    outcomes = list(params.trials("files", 250, seed=0))
    assert [told for outcome, told in outcomes if outcome not in params.GOOD] == []
    # Most changes are faults, and none of the kinds of outcome is missing.
    counts = [sum(outcome == kind for outcome, _ in outcomes) for kind in params.GOOD]
    assert counts[0] > 150 and counts[1] > 10 and counts[2] < 20
