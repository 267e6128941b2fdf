"""Builds an area: places with panoramas, photographed or rendered, and with clouds of the map."""

from pathlib import Path

import numpy as np

from data.areas.cloud_index import cloud_index
from data.areas.write_area import AREA, write_area
from data.city import CityMap
from data.locations import Locations
from data.render.floors import Floors
from data.render.panorama import Conditions, Renderer
from data.sources.photographs.photograph_files import read_photograph, usable_photographs
from utils.outputs import FolderKind


def build_area(city: CityMap, path: Path, locations: Locations, photographs: Path | None, height: int, points: int, seed: int,
               processes: int | None = None, skip: bool = False, kind: FolderKind = AREA) -> None:  # fmt: skip
    """Writes one area with photographs from a folder, or with rendered panoramas.

    Args:
        photographs: the folder; None: render.
        height: rows of a stored panorama.
        points: of a place's cloud.
        seed: of weather, season and exposure of rendered panoramas.
        skip: leave out places whose photograph is missing or unusable, instead of refusing the area.
    """
    source: dict
    if photographs:
        files, left_out = usable_photographs(photographs, locations.ids.tolist(), skip, processes)
        locations = locations[~np.isin(locations.ids, list(left_out))]
        source = {"panoramas": "photographs", "left_out": left_out}

        def panorama_of(i: int) -> np.ndarray:
            return read_photograph(files[i], height)
    else:
        renderer = Renderer(city, height)
        spots = [renderer.free_spot(x, y) for x, y in locations.xy]
        moved = np.linalg.norm(np.array(spots) - locations.xy, axis=1)
        floors = Floors(city.streets)
        floor_m = [floors.height_m(*spot, heading) for spot, heading in zip(spots, locations.heading_deg, strict=True)]
        source = {"panoramas": "rendered", "seed": seed, "cameras_moved": int((moved > 0).sum()),
                  "cameras_on_bridges": int(np.count_nonzero(floor_m))}  # fmt: skip
        if source["cameras_moved"]:
            print(
                f"{source['cameras_moved']:,} of {len(locations):,} locations lie inside buildings; "
                f"their cameras stand outside, {np.median(moved[moved > 0]):.0f} m away (median; at most {moved.max():.0f} m)"
            )

        def panorama_of(i: int) -> np.ndarray:
            conditions = Conditions.draw(locations.ids[i], seed)
            return renderer.render(*spots[i], locations.heading_deg[i], conditions, floor_m[i])

    def cloud_of(i: int) -> np.ndarray:
        return cloud_index(city, locations.x[i], locations.y[i], locations.heading_deg[i], points)

    write_area(path, city, locations, panorama_of, cloud_of, height, points, source, processes, kind=kind)
    print(f"{path}: {len(locations):,} places, panoramas {height} × {2 * height} ({source['panoramas']}), {points:,} points each")
