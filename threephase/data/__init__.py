"""Texts and labels: sources, cleaning, splits, noise, and the imbalance correction."""
