"""Programs that run inside the sandbox: standard library only, nothing of Treadle's.

They are read as text and handed to a CodeRunner; the host never imports them.
"""
