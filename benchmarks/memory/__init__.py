"""Recall, writing, latency and many processes: memory beside that of others."""
