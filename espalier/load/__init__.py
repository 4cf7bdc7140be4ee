"""The load: visit a site as many people would, and count what goes wrong.

`visitors` reads and writes, `ledger` and `stored` compare rows sent with rows stored, `report`
puts all into numbers. `site` and `report` need no library; what sends requests needs aiohttp.
"""
