"""The data of one environment brought into another one of the same project, out of its backups.

`refusals` says where that may not be; `source` has the machine with the backups write a dump, and
fetches it; `uploads` has another one read uploads of the same moment; `espalier.arriving` brings
them in.
"""
