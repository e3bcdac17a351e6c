"""The speed of our phases beside the peers' on the same work: make bench."""
