"""The study of the paper, from parameters to pages. Rooms import only downwards; a test has their order."""
