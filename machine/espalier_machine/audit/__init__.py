"""What the audit (`espalier verify --security`) runs on machines: `scan`, `look` and `lynis`.

Each is one file of the standard library alone, which comes as an argument of python3: nothing is
installed. Each takes one argument and prints its answer, both JSON.
"""
