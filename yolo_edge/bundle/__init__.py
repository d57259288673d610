"""The directory that is shipped: manifest, decode contract, sizes."""
