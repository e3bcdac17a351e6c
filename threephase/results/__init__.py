"""From the predictions of all seeds to cells, tables, differences and claims."""
