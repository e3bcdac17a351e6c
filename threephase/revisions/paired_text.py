"""Paired comparisons as text: numbers, intervals, and lines that fit a terminal."""

import textwrap

import pandas as pd

from threephase.results.tables import MISSING, TERMINAL_WIDTH, format_difference, format_number


def value_text(value: float) -> str:
    """A metric in percent, or that it is missing."""
    return MISSING if pd.isna(value) else format_number(value)


def alike_text(percent: float) -> str:
    """The share of predictions that name the same class; empty where none were paired."""
    return "" if pd.isna(percent) else f"{format_number(percent)}%"


def difference_text(difference: float, low: float, high: float) -> str:
    """A difference in percentage points with its interval, which point values do not give."""
    return MISSING if pd.isna(difference) else format_difference(difference, low, high)


def wrapped(line: str) -> str:
    """A line of prose for the terminal; commands, keys and paths stay whole."""
    return textwrap.fill(line, TERMINAL_WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
