"""Put a known limit on a known part of lab machines, and see whether `espalier advise` finds it.

`python -m bench.trials run` measures, `python -m bench.trials score` judges what was measured.
"""
