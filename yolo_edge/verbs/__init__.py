"""The public verbs, one a file; ``yolo_edge`` re-exports them."""
