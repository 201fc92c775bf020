"""The sentence encoder all-MiniLM-L6-v2, run by numpy alone."""
