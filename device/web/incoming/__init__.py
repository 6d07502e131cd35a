"""What a request brings: who sent it, its head, its body as JSON or as a form, and how large each may be."""
