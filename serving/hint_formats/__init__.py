"""The forms in which servers take what is known of a program, one file for each."""
