"""The stages of the benchmark; each module is one stage, run as ``python -m stages.<name>``."""
