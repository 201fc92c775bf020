"""Treadle: tasks become DAGs, DAGs run in parallel."""
