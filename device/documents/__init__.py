"""Third floor: what goes out. A reading, a model card or the box's health as documents, in words."""
