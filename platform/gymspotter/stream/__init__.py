"""Live streams without a server: the protocol's messages, and the logic of one session.

events.py    what the server tells; protocol.py    what the client sends; session.py    frames to windows, answers to
events; beneath it grid.py (irregular times to the grid), smoothing.py (probabilities over time), sets.py (start, end,
repetitions) and hints.py (what is out of view).

Nothing here has a clock: all times are those in the frames, so a session is a function of what it was sent.
"""
