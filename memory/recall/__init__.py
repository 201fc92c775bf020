"""Recall: from a question to the episodes and facts that bear on it."""
