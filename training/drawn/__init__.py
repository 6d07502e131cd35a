"""Pictures that we draw: phantoms of tissue, textures from a network, and what the gate must refuse."""
