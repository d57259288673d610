"""``python -m yolo_edge``: the command line."""

from yolo_edge.cli import main

if __name__ == "__main__":
    main()
