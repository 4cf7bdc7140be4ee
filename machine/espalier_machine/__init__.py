"""Programs that run on machines: standard library only, each shipped as one zipapp."""
