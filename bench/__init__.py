"""Measures cold start, cost per event and behaviour under load, compared with alternatives."""
