"""The warden: a small process of its own that starts, watches and ends executions.

Nothing here imports anything but the standard library and its neighbours: it is started with
`-I -S`, without the rest of Treadle (see `treadle.tools.sandbox.levels.warden`).
"""
