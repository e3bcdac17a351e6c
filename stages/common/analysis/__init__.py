"""What runs become: cells, their uncertainty, the long tables of results, and tables as text."""
