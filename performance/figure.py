"""The ratios of a bench as a figure."""

import pandas as pd
from matplotlib.figure import Figure

COLOURS = {"default": "#56b4e9", "best": "#0072b2"}


def ratios_figure(table: pd.DataFrame) -> Figure:
    """A bar a row: how many times as many examples a second as the peer, with the range of the pairs."""
    figure = Figure(figsize=(7.5, 0.8 + 0.32 * len(table)), layout="constrained")
    axes = figure.add_subplot()
    for place, row in enumerate(table.to_dict("records")):
        axes.barh(place, row["ratio"], color=COLOURS[row["peer_setting"]])
        axes.plot([row["ratio_low"], row["ratio_high"]], [place, place], color="black", linewidth=1)
    names = [f"{row.phase}, {row.data}\n{row.peer}, {row.peer_setting}" for row in table.itertuples()]
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.invert_yaxis()
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("our examples a second / the peer's; bar: median, line: range of the pairs")
    return figure
