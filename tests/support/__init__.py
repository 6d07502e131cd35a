"""What tests share: the shipped models, drawn files, a running service, a browser."""
