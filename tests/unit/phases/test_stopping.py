"""When phase 3 ends early, by either rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_encoder import tiny_classifying

from threephase.phases.stopping import Patience, Restarts, new_stopping


def epochs_run(rule, losses, better=None, warming_up=0) -> int:
    """How many epochs are trained with these losses; ``better``: which epochs (from 1) are the best so far."""
    for epoch, loss in enumerate(losses, start=1):
        if rule.ends(epoch in (better or ()), loss, warming_up=epoch <= warming_up):
            return epoch
    return len(losses)


def test_patience_counts_epochs_in_a_row_that_are_not_better():
    assert epochs_run(Patience(3), [1.0] * 20, better={1, 2, 5}) == 8


def test_patience_is_not_counted_during_the_warm_up():
    assert epochs_run(Patience(3), [1.0] * 20, better={1}, warming_up=10) == 13


def test_restarts_end_after_five_rises_in_a_row():
    assert epochs_run(Restarts(70), [5, 4, 3, 4, 5, 6, 7, 8, 9, 10]) == 8


def test_an_equal_loss_is_no_rise():
    assert epochs_run(Restarts(70), [1.0] * 70) == 70


@pytest.mark.parametrize(("max_epochs", "restarts"), [(70, 10), (8, 4), (20, 10), (7, 4)])
def test_restarts_end_after_so_many_broken_rows(max_epochs, restarts):
    # Up and down: every fall breaks a row of one rise.
    losses = [1.0, 2.0] * 50
    assert epochs_run(Restarts(max_epochs), losses) == 2 * restarts + 1


@given(st.lists(st.floats(0, 10), min_size=1, max_size=60), st.integers(2, 80))
def test_restarts_follow_the_rule_counted_by_hand(losses, max_epochs):
    counter = restarts = 0
    expected = len(losses)
    for epoch in range(2, len(losses) + 1):
        if losses[epoch - 1] > losses[epoch - 2]:
            counter += 1
        else:
            if counter != 0:
                restarts += 1
            counter = 0
        if counter == 5 or restarts >= min(max_epochs / 2, 10):
            expected = epoch
            break
    assert epochs_run(Restarts(max_epochs), losses) == expected


def test_the_protocol_names_the_rule():
    assert isinstance(new_stopping(tiny_classifying(stopping="patience")), Patience)
    assert isinstance(new_stopping(tiny_classifying(stopping="restarts")), Restarts)
