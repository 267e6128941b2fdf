"""Graphs around places: the buildings and pieces of streets within a place's square, as one flat graph for a whole batch."""

import math

import torch
from torch import Tensor

from data.city import CityMap
from utils.batch import PlaceGraph
from utils.classes import INDEX
from utils.frames import to_view
from utils.georeference import EXTENT_M


class GraphCutter:
    """Cuts the graphs of places out of a city's.

    Nodes are sorted by the squares of a grid. All nodes within reach of a place are in the 3 × 3 squares around it.

    Args:
        city: the map.
        device: where the graph is kept and cut.

    Raises:
        InputError: the map has no graph.
    """

    def __init__(self, city: CityMap, device: torch.device | str = "cpu"):
        graph = city.graph
        x0, y0, x1, y1 = city.georeference.bounds
        self.cell_m = EXTENT_M / math.sqrt(2)  # half the diagonal of a place's square
        self.columns, self.rows = int((x1 - x0) // self.cell_m) + 1, int((y1 - y0) // self.cell_m) + 1
        self.corner = torch.tensor([x0, y0], dtype=torch.float64, device=device)
        xy = torch.from_numpy(graph.xy).to(device)
        column, row = self._cells(xy)
        cell = row * self.columns + column
        order = cell.argsort(stable=True)
        self.first = torch.searchsorted(cell[order], torch.arange(self.columns * self.rows + 1, device=device))  # node of each cell
        self.xy = xy[order]
        self.classes = torch.from_numpy(graph.classes).to(device)[order]
        own = [graph.area_m2, graph.height_m, graph.length_m]
        area, self.height, self.length = (torch.from_numpy(v).to(device)[order] for v in own)
        self.log_area = area.log1p()
        self.street = (self.classes != INDEX["buildings"]).float()
        self.direction = torch.from_numpy(graph.direction).to(device)[order]
        edges = order.argsort()[torch.from_numpy(graph.edges).to(device).long()]
        edges = edges[:, (edges[0] * len(order) + edges[1]).argsort()]
        self.neighbor = edges[1]
        self.first_neighbor = torch.searchsorted(edges[0].contiguous(), torch.arange(len(order) + 1, device=device))

    def __call__(self, centre: Tensor, heading_deg: Tensor) -> PlaceGraph:
        """The nodes inside the heading-up square of 152 m around each place, and the edges between nodes of the same place.

        Args:
            centre: (B, 2) metres float64.
            heading_deg: (B,) degrees clockwise from north.
        """
        place, node = self._near(centre)
        heading = heading_deg.to(torch.float64)
        view = to_view((self.xy[node] - centre[place])[:, None], heading[place])[:, 0]
        inside = (view.abs() < EXTENT_M / 2).all(1)
        place, node, view = place[inside], node[inside], view[inside].float()

        # Nodes ascend within a place, so (place, node) is sorted, and neighbours are looked up by bisection.
        known = place * len(self.xy) + node
        begin = self.first_neighbor[node]
        source, link = _ranges(begin, self.first_neighbor[node + 1] - begin)
        wanted = place[source] * len(self.xy) + self.neighbor[link]
        target = torch.searchsorted(known, wanted).clamp_max(len(known) - 1)
        found = known[target] == wanted
        edges = torch.stack([source[found], target[found]])

        distance = view.norm(dim=1)
        bearing = view / distance.clamp_min(1e-6)[:, None]
        turn = 2 * torch.deg2rad(heading)[place].float()
        sine, cosine = self.direction[node].unbind(1)
        nodes = torch.stack([
            view[:, 0], view[:, 1], distance, bearing[:, 0], bearing[:, 1], self.log_area[node], self.height[node], self.length[node],
            self.street[node], sine * turn.cos() - cosine * turn.sin(), cosine * turn.cos() + sine * turn.sin(),
        ], dim=1)  # fmt: skip
        return PlaceGraph(nodes, self.classes[node], place, edges, len(centre))

    def _near(self, centre: Tensor) -> tuple[Tensor, Tensor]:
        """Pairs of place and node, ascending, that hold all nodes within reach of centres (B, 2)."""
        column, row = self._cells(centre)
        row = row[:, None] + torch.tensor([-1, 0, 1], device=row.device)  # B,3
        across = row.clamp(0, self.rows - 1) * self.columns
        low, high = (self.first[across + (column + d).clamp(0, self.columns)[:, None]] for d in (-1, 2))
        count = torch.where((row >= 0) & (row < self.rows), high - low, 0)
        span, node = _ranges(low.flatten(), count.flatten())
        return span // 3, node

    def _cells(self, xy: Tensor) -> tuple[Tensor, Tensor]:
        """Column and row of the grid's square that holds each of xy (n, 2)."""
        column, row = ((xy - self.corner) / self.cell_m).floor().long().unbind(1)
        return column, row


def _ranges(first: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """The numbers first[i], first[i] + 1, … (count[i] of them) for all i (n,), and the i of each."""
    owner = torch.repeat_interleave(torch.arange(len(count), device=count.device), count)
    within = torch.arange(len(owner), device=owner.device) - (count.cumsum(0) - count)[owner]
    return owner, first[owner] + within
