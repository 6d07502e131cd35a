"""What the box answers: one module a noun, each with a blueprint whose views stand beside their routes."""
