"""The demo: a generated town, its map, and three areas of it."""

import numpy as np

from data.areas.build_area import build_area
from data.areas.sample_streets import apart_from, sample_streets
from data.areas.write_area import AREA
from data.city import MAP, CityMap
from data.osm.build import build_map
from data.town.write_town import is_town, write_town
from utils.errors import InputError
from utils.outputs import check_files, check_folder

# The demo town: places along its streets in three strips from west to east, no tile of one touching a tile of another.
DEMO_SCATTER_M = 2.0
DEMO_STRIPS = {"train": (0.0, 0.62), "validation": (0.62, 0.76), "test": (0.76, 1.0)}
DEMO_ATTRIBUTION = "a generated town, no real place"
DEMO_MAP, DEMO_AREA = (kind.by("data.prepare demo", lambda info: info.get("attribution") == DEMO_ATTRIBUTION) for kind in (MAP, AREA))


def make_demo(args) -> None:
    """The command `data.prepare demo`."""
    extract = args.out / "town.osm"
    check_files({"--out": extract})
    if extract.exists() and not is_town(extract):
        raise InputError(f"{extract}: is an extract of your own, which `demo` would overwrite; give another --out")
    for name, kind in {"map": DEMO_MAP, **dict.fromkeys(DEMO_STRIPS, DEMO_AREA)}.items():
        check_folder(args.out / name, kind)
    print(f"{extract}: generating a town, then its map and three areas")
    write_town(extract, args.seed)
    build_map(extract, args.out, seed=args.seed, attribution=DEMO_ATTRIBUTION, kind=DEMO_MAP)
    city = CityMap(args.out)
    x0, _, x1, _ = city.info["bounds"]
    rng = np.random.default_rng(args.seed)
    streets = sample_streets(city, args.every, None, "place", rng, DEMO_SCATTER_M)
    strips = {}
    for name, (west, east) in DEMO_STRIPS.items():
        share = (streets.x - x0) / (x1 - x0)
        strips[name] = streets[(share >= west) & (share < east)]
    strips["validation"] = apart_from(strips["validation"], strips["train"], args.apart)
    strips["test"] = apart_from(strips["test"], strips["validation"], args.apart)
    for name, places in strips.items():
        if name != "train":
            places = places[np.sort(rng.permutation(len(places))[:200])]
        build_area(city, args.out / name, places, None, args.height, 512, args.seed, kind=DEMO_AREA)
