"""From embeddings to answers: embedders, sources of scores, the index, votes and sequences."""
