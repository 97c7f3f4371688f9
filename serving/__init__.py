"""Serving an exported SavedModel over gRPC, and asking it."""
