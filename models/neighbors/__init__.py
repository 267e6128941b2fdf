"""Neighbours and samples in batched clouds: plain PyTorch for CPU and GPU, equal to the naive loops, ties included."""

from models.neighbors.ball import ball_query
from models.neighbors.farthest import farthest_points
from models.neighbors.interpolation import three_nearest_interpolation
from models.neighbors.nearest import nearest_neighbors
from models.neighbors.rows import gather_rows, neighbor_max

__all__ = ["ball_query", "farthest_points", "gather_rows", "nearest_neighbors", "neighbor_max", "three_nearest_interpolation"]
