"""What everything stands on: errors, files, paths, facts of a run."""
