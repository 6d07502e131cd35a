"""What the box knows of the clinic that it stands in: its instruments, and how pictures come out of them."""
