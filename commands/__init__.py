"""What a person types: ``make`` calls these, or ``python -m commands.NAME``."""
