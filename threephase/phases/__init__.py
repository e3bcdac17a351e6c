"""The trainings: the three phases, joint training, and the baselines."""
