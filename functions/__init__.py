"""One module per event family: the place to extend."""
