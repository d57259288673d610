"""Sets of photos, with their labels: find them, and read them one at a time."""
