"""`espalier verify --security`: known auditors look at the machines of a site, and change nothing.

A module for each check turns what its tool said into rows (`rows`); `expectations.yml` says what is
expected, and what is waived and why. `run` asks all tools, side by side.
"""
