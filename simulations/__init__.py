"""How often the intervals of threephase.scores.statistics hold the truth, by simulation; docs/statistics.md."""
