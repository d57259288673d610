"""Where converted models are published: stores that keep objects, their headers, and their conditions."""
