"""What everything stands on: errors, files, paths, random generators, facts of a run."""
