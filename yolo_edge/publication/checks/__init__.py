"""What ``yolo-edge doctor`` looks at: one question about a bucket or a CDN a check."""
