"""The tiny project: what `startproject` makes."""
