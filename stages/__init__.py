"""The stages of a study, a module each, which dvc starts through ``__main__``."""
