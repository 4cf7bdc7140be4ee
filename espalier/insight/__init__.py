"""Where the time of a site goes, which part limits it, and what to change: pure functions.

A recording (`recording`) goes in; evidence, a verdict, an advice and a report come out. Nothing
here reads a machine or a clock, so that a recording can be replayed, shared, and put into a test.
"""
