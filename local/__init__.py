"""The app on one machine, without Azure: `python -m local`. Nothing deployed imports this."""
