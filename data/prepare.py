"""Builds maps and areas: `python -m data.prepare demo | map | area | preview | picture | streetlearn | check | export`; each has --help."""

import argparse
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np

from data.area import Area
from data.areas.build_area import build_area
from data.areas.sample_streets import apart_from, sample_streets
from data.areas.write_area import AREA
from data.city import CityMap
from data.locations import read_locations
from data.osm.build import TILE_M, build_map
from data.osm.report import summary_of
from data.sources.streetlearn import commands as streetlearn
from data.town.make_demo import make_demo
from utils.arguments import HEIGHT, POINTS, Parser, area_name, area_or_csv, between, count, join_negative, numbers, processes, seed
from utils.damage import read_json
from utils.errors import InputError, run_command
from utils.outputs import check_files, check_folder

APART_M, SCATTER_M = 215.0, 4.0  # defaults: tiles do not overlap; a car stands somewhere on the street


def main() -> None:
    """Parses the command line and runs the command."""
    args = _parse()
    args.run(args)


def make_map(args) -> None:
    """The command `map`."""
    info = build_map(args.osm, args.out, args.density, args.resolution, args.seed, args.origin, args.bbox, args.tile, args.processes)
    print(f"{args.out / 'map'}: {summary_of(info)}")
    print(info["attribution"])
    stale = _areas_of_another_map(args.out, info)
    if stale:
        print(f"note: {', '.join(stale)} in {args.out} were built on the map that this one replaces; build them again")


def _areas_of_another_map(city: Path, info: dict) -> list[str]:
    """Names of a city's areas whose clouds are points of another map than it now has."""
    names = []
    for path in sorted(city.glob("*/area.json")):
        with suppress(InputError):
            if read_json(path).get("map_points_sha256") != info["points_sha256"]:
                names.append(path.parent.name)
    return names


def make_area(args) -> None:
    """The command `area`."""
    path = args.city / args.name
    check_folder(path, AREA)
    city = CityMap(args.city)
    rng = np.random.default_rng(args.seed)
    apart, scatter = args.apart or APART_M, SCATTER_M if args.scatter is None else args.scatter
    if args.locations:
        locations = read_locations(args.locations, city)
    else:
        locations = sample_streets(city, args.every, args.bbox, args.name, rng, scatter)
    before = len(locations)
    for other in args.apart_from or ():
        reference = read_locations(Path(other), city) if other.endswith(".csv") else Area(args.city, other).locations
        locations = apart_from(locations, reference, apart)
    if args.apart_from:
        near = f"{apart:.0f} m of {', '.join(args.apart_from)}"
        print(f"{before - len(locations):,} of {before:,} places left out: they lie within {near}")
        if not len(locations):
            raise InputError(f"{args.city / args.name}: no place left; use a smaller --apart, smaller other areas, or a larger extract")
    if args.sample and args.sample < len(locations):
        locations = locations[np.sort(rng.permutation(len(locations))[: args.sample])]
    if (path / "area.json").is_file():
        print(f"{path}: replacing the area of that name")
    build_area(city, path, locations, args.panoramas, args.height, args.points, args.seed, args.processes, args.skip)


def make_preview(args) -> None:
    """The command `preview`."""
    from data.pictures.preview import save_preview  # here because torch takes seconds to import

    city, area = CityMap(args.city), Area(args.city, args.name)
    check_files({"--out": args.out}, [*area.path.iterdir(), *city.path.iterdir()], pictures=["--out"])
    area.check_map(city)
    save_preview(city, area, args.places, args.out)
    print(f"{args.out}: panorama, tile and cloud of {len(args.places)} places of {area.path}")


def make_picture(args) -> None:
    """The command `picture`."""
    from data.pictures.city_picture import save_picture  # here because torch takes seconds to import

    check_files({"--out": args.out}, CityMap(args.city).path.iterdir(), pictures=["--out"])
    save_picture(CityMap(args.city), args.at, args.heading, args.extent, args.above, args.out)
    print(f"{args.out}: {args.city} around {'its middle' if args.at is None else f'{args.at[0]}, {args.at[1]}'}")


def _parse() -> argparse.Namespace:
    parser = Parser(prog="python -m data.prepare", description=__doc__, epilog="example: python -m data.prepare demo")
    commands = parser.add_subparsers(required=True, metavar="demo | map | area | preview | picture | streetlearn | check | export")

    def command(name: str, run, text: str, example: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text, epilog=f"example: python -m data.prepare {example}")
        sub.set_defaults(run=run)
        if run in (make_demo, make_map, make_area):  # the others use no random numbers
            sub.add_argument("--seed", type=seed, help="of all random numbers (default 0)")
        return sub

    sub = command("demo", make_demo, "Generate a town as an OpenStreetMap file and build its map and three areas.", "demo")
    sub.add_argument("--out", type=Path, default=Path("datasets/demo"), help="the city's folder (default datasets/demo)")
    sub.add_argument("--every", type=between(0.5, 1_000), default=12.0, metavar="METRES",
                     help="step between places along the streets (default 12)")  # fmt: skip
    sub.add_argument("--height", type=HEIGHT, default=64, help="rows of a panorama (default 64)")
    sub.add_argument("--apart", type=between(1, 100_000), default=APART_M, metavar="METRES",
                     help="distance between the areas (default 215)")  # fmt: skip

    sub = command("map", make_map, "Build a city's 2.5D map from an OpenStreetMap extract.",
                  "map --osm manhattan.osm.pbf --out datasets/manhattan")  # fmt: skip
    sub.add_argument("--osm", type=Path, required=True, metavar="FILE", help="the extract: .osm, .osm.gz, .osm.bz2 or .osm.pbf")
    sub.add_argument("--out", type=Path, required=True, metavar="CITY", help="the city's folder, e.g. datasets/manhattan")
    sub.add_argument("--density", type=between(0.001, 100), default=0.2, help="points per square metre of surface (default 0.2)")
    sub.add_argument("--resolution", type=between(0.05, 10), default=0.45, help="metres per pixel of the drawn map (default 0.45)")
    sub.add_argument("--origin", type=numbers(2, "LAT,LON"), metavar="LAT,LON",
                     help="where the local metres begin (default: the centre of the map)")  # fmt: skip
    sub.add_argument("--bbox", type=numbers(4, "SOUTH,WEST,NORTH,EAST"), metavar="S,W,N,E",
                     help="use only this part of the extract, in degrees")  # fmt: skip
    sub.add_argument("--tile", type=between(1, 100_000), default=TILE_M, metavar="METRES",
                     help=f"edge of the tiles in which the map is built; smaller ones take less memory, the map is the same "
                          f"(default {TILE_M:.0f})")  # fmt: skip
    sub.add_argument("--processes", type=processes, help="worker processes (default: one for each core)")

    sub = command("area", make_area, "Build an area: places with panoramas and clouds.",
                  "area --city datasets/manhattan --name wallstreet --locations wallstreet5kU.csv --render")  # fmt: skip
    sub.add_argument("--city", type=Path, required=True, help="the city's folder, e.g. datasets/manhattan")
    sub.add_argument("--name", type=area_name, required=True, help="name of the area, which is written to CITY/NAME")
    where = sub.add_mutually_exclusive_group(required=True)
    where.add_argument(
        "--locations", type=Path, metavar="CSV", help="places: id, latitude, longitude, heading[, city]; with or without header"
    )
    where.add_argument("--every", type=between(0.5, 1_000), metavar="METRES", help="sample places along the streets at this step")
    sub.add_argument("--bbox", type=numbers(4, "SOUTH,WEST,NORTH,EAST"), metavar="S,W,N,E",
                     help="with --every: only in this box, in degrees")  # fmt: skip
    sub.add_argument("--scatter", type=between(0, 100), metavar="METRES",
                     help="with --every: move places sideways by up to this, at random (default 4)")  # fmt: skip
    sub.add_argument("--apart-from", type=area_or_csv, action="append", metavar="AREA|CSV",
                     help="leave out places near those of another area of the city, or of a table; may be repeated")  # fmt: skip
    sub.add_argument("--apart", type=between(1, 100_000), metavar="METRES",
                     help="with --apart-from: places nearer than this are left out (default 215: no tiles overlap)")  # fmt: skip
    sub.add_argument("--sample", type=count, metavar="N", help="keep a random subset of N places")
    what = sub.add_mutually_exclusive_group(required=True)
    what.add_argument("--panoramas", type=Path, metavar="DIR", help="folder of equirectangular photographs named by id")
    what.add_argument("--render", action="store_true", help="render the panoramas from the map")
    sub.add_argument("--skip", action="store_true", help="with --panoramas: leave out places without a usable photograph, and list them")
    sub.add_argument("--height", type=HEIGHT, default=128, help="rows of a stored panorama; it has twice as many columns (default 128)")
    sub.add_argument("--points", type=POINTS, default=1024, help="points of a place's cloud (default 1024)")
    sub.add_argument("--processes", type=processes, help="worker processes (default: one for each core)")

    sub = command("preview", make_preview, "Draw panorama, tile and cloud of places side by side.",
                  "preview --city datasets/demo --name test --places 0 50 100 --out preview.png")  # fmt: skip
    sub.add_argument("--city", type=Path, required=True, help="the city's folder, e.g. datasets/demo")
    sub.add_argument("--name", type=area_name, required=True, help="name of the area")
    sub.add_argument("--places", type=int, nargs="+", default=[0], metavar="ROW", help="rows of the area's locations (default 0)")
    sub.add_argument("--out", type=Path, required=True, metavar="PNG", help="the picture to write")

    sub = command("picture", make_picture, "Draw a city map around a spot, and the view from above it.",
                  "picture --city datasets/manhattan --at 40.7095,-74.0175 --heading 40 --above 140 --out manhattan.png")  # fmt: skip
    sub.add_argument("--city", type=Path, required=True, help="the city's folder, e.g. datasets/manhattan")
    sub.add_argument("--at", type=numbers(2, "LAT,LON"), metavar="LAT,LON", help="the spot (default: the middle of the map)")
    sub.add_argument("--heading", type=between(-360, 720), default=0.0, metavar="DEGREES",
                     help="what is up, and where the camera looks, clockwise from north (default 0)")  # fmt: skip
    sub.add_argument("--extent", type=between(10, 20_000), default=800.0, metavar="METRES", help="edge of the drawn square (default 800)")
    sub.add_argument("--above", type=between(0, 5_000), default=80.0, metavar="METRES",
                     help="height of the camera above the ground (default 80)")  # fmt: skip
    sub.add_argument("--out", type=Path, required=True, metavar="PNG", help="the picture to write")
    streetlearn.register(commands)
    args = parser.parse_args(join_negative(sys.argv[1:], {"--bbox", "--origin", "--at", "--heading"}))
    _refuse_unread(parser, args)
    args.seed = getattr(args, "seed", None) or 0
    return args


def _refuse_unread(parser: Parser, args: argparse.Namespace) -> None:
    """Refuses options that nothing would read, and impossible boxes."""
    if args.run is make_area:
        random = args.every or args.sample or args.render
        for name, given, others, read in (("skip", args.skip, "--panoramas", args.panoramas),
                                          ("apart", args.apart, "--apart-from", args.apart_from),
                                          ("scatter", args.scatter is not None, "--every", args.every),
                                          ("seed", args.seed is not None, "--every, --sample or --render", random)):  # fmt: skip
            if given and not read:
                parser.error(f"--{name} goes with {others}")
    if getattr(args, "bbox", None):
        if not getattr(args, "every", True):
            parser.error("--bbox goes with --every")
        south, west, north, east = args.bbox
        ordered = west < east or (args.run is make_map and west - east > 180)  # a map may lie over the antimeridian
        if not (-90 <= south < north <= 90 and max(abs(west), abs(east)) <= 180 and ordered):
            parser.error(f"--bbox {south:g},{west:g},{north:g},{east:g}: it is SOUTH,WEST,NORTH,EAST in degrees")


if __name__ == "__main__":
    run_command(main)
