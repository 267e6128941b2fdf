"""The published layout on the command line: `python -m data.prepare streetlearn | check | export`."""

import argparse
from pathlib import Path

from data.sources.streetlearn.check import examine
from data.sources.streetlearn.dataset_files import Cloud
from data.sources.streetlearn.dataset_tables import read_tables
from data.sources.streetlearn.import_area import import_area
from data.sources.streetlearn.layout import Layout
from utils.arguments import HEIGHT, POINTS, area_name, processes
from utils.errors import InputError


def register(commands) -> None:
    """Adds the three commands to argparse's `commands`."""

    def command(name: str, run, text: str, example: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text, epilog=f"example: python -m data.prepare {name} {example}")
        sub.set_defaults(run=run)
        return sub

    sub = command("streetlearn", run_import, "Import an area of the published dataset (StreetLearn imagery, tiles, clouds).",
                  "--root 2-5DMap-Dataset --area unionsquare5kU")  # fmt: skip
    sub.add_argument("--root", type=Path, required=True, help="folder in the published layout (data/sources/streetlearn/layout.py)")
    sub.add_argument("--area", type=area_name, required=True, metavar="NAME", help="one of ROOT/csv; combined areas are <a>_<b>")
    sub.add_argument("--datasets", type=Path, default=Path("datasets"), help="written to DATASETS/<city>/NAME (default datasets)")
    sub.add_argument("--height", type=HEIGHT, default=224, help="rows of a stored panorama (default 224)")
    sub.add_argument("--points", type=POINTS, default=1024, help="points of a place's cloud (default 1024)")
    sub.add_argument("--preprocessing", choices=["antialiased", "paper"], default="antialiased",
                     help="how panoramas are scaled (default antialiased; paper: for model.preprocessing=paper)")  # fmt: skip
    sub.add_argument("--skip", action="store_true", help="leave out places with a missing or unreadable file, and list them")
    sub.add_argument("--processes", type=processes, help="worker processes (default: one for each core)")

    sub = command("check", run_check, "Report which files of the published dataset are present, missing or unreadable, and what to do.",
                  "--root 2-5DMap-Dataset")  # fmt: skip
    sub.add_argument("--root", type=Path, required=True, help="folder in the published layout (data/sources/streetlearn/layout.py)")
    sub.add_argument("--area", type=area_name, nargs="+", metavar="NAME", help="areas to check (default: all of ROOT/csv)")
    sub.add_argument("--skip", action="store_true", help="exit status 0 even where something is wrong")
    sub.add_argument("--processes", type=processes, help="worker processes (default: one for each core)")

    sub = command("export", run_export, "Write a city built here in the published layout.",
                  "--layout streetlearn --city datasets/manhattan --root exported")  # fmt: skip
    sub.add_argument("--layout", choices=["streetlearn"], required=True, help="how the files are laid out")
    sub.add_argument("--city", type=Path, required=True, help="the city's folder, e.g. datasets/manhattan; its name is the city's")
    sub.add_argument("--root", type=Path, required=True, metavar="OUT", help="folder to write to; may hold other cities and areas")
    sub.add_argument("--area", nargs="+", type=area_name, metavar="NAME", help="areas to write (default: all of the city)")


def run_import(args) -> None:
    import_area(Layout(args.root), args.area, args.datasets, args.height, args.points, args.skip, args.processes, args.preprocessing)


def run_check(args) -> None:
    """Prints a report of each area; in strict mode raises InputError if anything is not right."""
    layout = Layout(args.root)
    names = args.area or layout.areas()
    clouds: dict[str, Cloud | InputError] = {}
    wrong = []
    for name in names:
        try:
            tables = read_tables(layout, name)
        except InputError as error:
            print(f"{name}: tables cannot be used\n  {error}", flush=True)
            wrong.append(name)
            continue
        report = examine(layout, name, tables, clouds, args.processes)
        print("\n".join(report.lines()), flush=True)
        if not report.usable.all():
            wrong.append(name)
    summary = f"{len(wrong)} of {len(names)} areas are not complete ({', '.join(wrong)})"
    if not wrong:
        print(f"{args.root}: all {len(names)} areas are complete")
    elif args.skip:
        print(f"{args.root}: {summary}")
    else:
        raise InputError(f"{args.root}: {summary}; see above what to do, or import the other places with `streetlearn --skip`")


def run_export(args) -> None:
    from data.sources.streetlearn.write_dataset import export_city  # here because torch takes seconds to import

    layout = export_city(args.city, args.root, args.area)
    print(f"{layout.root}: areas {', '.join(layout.areas())}; whose data they are: {layout.root / 'ATTRIBUTION.txt'}")
