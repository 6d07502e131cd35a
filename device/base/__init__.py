"""What every floor stands on: the errors and their words, files, processes, the log. Imports nothing else of `device/`."""
