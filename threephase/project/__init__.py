"""A study as a DVC project: the generated files, and what dvc would run."""
