"""What the paper's numbers, its data and our runs say about each other: one module a check, one item each."""
