"""How often the intervals of stages.common.analysis.statistics hold the truth, by simulation; docs/statistics.md."""
