"""What a pose head means: input, output, decoding, drawing."""
