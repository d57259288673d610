"""How fast converted models are, on each backend, beside other makers' models in the same run."""
