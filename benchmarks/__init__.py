"""Measurements that the README and the documentation quote. Run them with ``make bench``."""
