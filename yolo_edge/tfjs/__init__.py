"""The TensorFlow.js graph model format."""
