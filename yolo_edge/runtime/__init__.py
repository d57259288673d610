"""Running a model: torch, onnxruntime, TF.js in Node, TF.js in a browser."""
