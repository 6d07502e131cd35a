"""Laboratories: programs that measure methods on a trained model. No step from a recipe to a bundle needs one."""
