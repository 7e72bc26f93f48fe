"""Measures cold start, cost per event and behaviour under load, beside what a user would otherwise have."""
