"""How an encoder is read, run, trained and written; stages that train or embed depend on this folder as a whole."""
