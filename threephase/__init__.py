"""The study of the paper, from parameters to pages. Rooms import only downwards, in the order of ``ROOMS``."""

ROOMS = (
    "base", "study", "data", "model", "project", "scores", "phases", "results", "paper", "audit", "report", "revisions",
)  # fmt: skip
