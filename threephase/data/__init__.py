"""Texts and labels: sources, cleaning, splits, noise, random generators, and the imbalance correction."""
