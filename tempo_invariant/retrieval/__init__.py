"""From embeddings to answers: backends, sources of scores, the index, votes and sequences."""
