"""Further ways to train an encoder, a file each; docs/methods.md says how to add one."""
