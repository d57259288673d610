"""The forms that a set of photos comes in, one a file; :mod:`yolo_edge.photos.source` lists them."""
