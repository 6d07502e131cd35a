"""Fourth floor: the web. Who may connect, what is asked, and which process answers."""
