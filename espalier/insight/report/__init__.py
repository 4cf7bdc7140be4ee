"""The report of a measurement: one page of HTML with drawings, and short tables for a terminal.

`report` is what goes in. Each `chart_*` module draws one chart as SVG; `page` puts them together.
Nothing here reads a file of a measurement, a machine or a clock.
"""
