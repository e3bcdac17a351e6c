"""The paper's numbers, the cell of ours that stands beside each, and the command that makes it."""
