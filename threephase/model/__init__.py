"""The encoder: its files, the transformer, token ids, and sentence vectors."""
