"""Converts checkpoints of the published system (arXiv 2308.05993): `python -m models.published CHECKPOINT OUT`."""

from models.published.convert import convert, load

__all__ = ["convert", "load"]
