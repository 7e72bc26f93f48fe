"""Development only: what is generated from the payload types, and checked to be up to date."""
