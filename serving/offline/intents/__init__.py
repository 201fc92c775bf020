"""What the offline stand-in understands, one kind of request per file.

An intent is a function from a clause to a draft; None means that it is about something else.
"""
