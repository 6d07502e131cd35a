"""What makes a model for the box: data, fitting, quantization, gate, evaluation and packing; and studies of methods."""
