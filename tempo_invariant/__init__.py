"""Matches audio recordings with sheet music through a shared embedding space."""
