"""Weights as codes: schemes and what they make."""
