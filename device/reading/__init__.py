"""First floor: what a reading is made of, from a picture's bytes to its numbers. The only floor that `training/`
imports."""
