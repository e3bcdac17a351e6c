"""One run beside another: two revisions, two studies, or a reader's run and the published one."""
