"""One file for each command of `release`; its `run` gives the answer as plain data for JSON.

The key `message` of an answer is what a person reads.
"""
