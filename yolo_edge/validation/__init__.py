"""What a variant of a model is worth: its persons against the float model's, and against labels."""
