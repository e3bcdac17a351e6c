"""From predictions to numbers: metrics, intervals, and tests."""
