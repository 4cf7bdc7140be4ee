"""The load: visit a site as many people would, and count what goes wrong.

Two kinds. `visitors` is a closed loop for correctness: it reads and writes, `ledger` and `stored`
compare rows sent with rows stored, `report` puts all into numbers. `stepping` is an open loop for
capacity: `profile` says what is asked for, `sender` and `processes` send it at a rate, `rates` and
`judging` go up until the site no longer keeps up, `safety` says what may be loaded at all.
`site` and `report` need no library; what sends requests needs aiohttp.
"""
