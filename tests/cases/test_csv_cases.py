"""Tables as people and programs write them: the shared cases, and a second of each kind made here."""

import re

import numpy as np
import pytest

from data.locations import Locations, read_location_table
from data.osm.build import build_map
from data.sources.streetlearn.dataset_files import _read_classes
from eval.routes.__main__ import main as localize_routes
from eval.routes.graphs.route_graph import RouteGraph
from eval.routes.results.figure import COLUMNS, published_curves
from eval.routes.route_files import read_routes, read_turns
from utils import tables
from utils.errors import InputError
from utils.tables import read_table

HUGE = ("1e2147483648", "1e4294967296", "1e999", "0x10", "1_000", "nan", "inf", "-Infinity", "True", "٣", "1 2", "")
ROWS = "a,40.5,-73.25,10\nb,-33.75,151.125,-20.5\n"


def refusal(read, *arguments, **options):
    with pytest.raises(InputError) as caught:
        read(*arguments, **options)
    message = str(caught.value)
    assert len(message.splitlines()) == 1 and message.isprintable() and len(message) < 500, message
    return message


@pytest.fixture
def write(tmp_path):
    def call(content, name="t.csv"):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path / name

    return call


def square():
    """A graph of four places in a ring."""
    return RouteGraph.from_neighbors([[1], [2], [3], [0]], "x")


def test_damaged_edges(cases):
    assert "line 3: from is '1e2147483648'" in refusal(RouteGraph.from_csv, cases / "damaged/edges.csv", 5)


def test_damaged_locations(cases):
    assert "line 1: heading_deg is '1e2147483648'" in refusal(read_location_table, cases / "damaged/locations.csv")


def test_damaged_routes(cases):
    assert "line 2: column 1 is '1e2147483648'" in refusal(read_routes, cases / "damaged/routes.csv", square())


def test_edges_with_a_cell_too_many(cases, tmp_path, monkeypatch):
    script = (cases / "commands/edges_extra_cell.sh").read_text()
    routes, edges = (text.encode().decode("unicode_escape") for text in re.findall(r"printf '(.+?)' > \$D/[rg].csv", script))
    query = np.random.default_rng(0).random((5, 4), np.float32)
    np.savez(tmp_path / "e.npz", query=query, reference=query)
    (tmp_path / "r.csv").write_text(routes)
    for text, words in ((edges, "line 2 has 3 cells, line 1 has 2"), ("from,to\n0,1,2\n1,2,3\n", "line 2 has 3 cells")):
        (tmp_path / "g.csv").write_text(text)
        arguments = ["--embeddings", tmp_path / "e.npz", "--graph", tmp_path / "g.csv", "--routes", tmp_path / "r.csv"]
        monkeypatch.setattr("sys.argv", ["routes", *map(str, arguments)])
        assert f"{tmp_path / 'g.csv'}: {words}" in refusal(localize_routes)


@pytest.mark.parametrize("cell", HUGE)
def test_no_cell_of_any_table_is_more_than_a_number(write, cell):
    """In every table: the message shows the cell and its line; no crash, and no other number is read."""
    shown = "is " + repr(cell)
    assert f"line 2: lat {shown}" in refusal(read_location_table, write(f"a,40,-74,0\nb,{cell},-74,0\n"))
    assert f"line 2: heading_deg {shown}" in refusal(read_location_table, write(f"id,heading_deg,lat,lon\nb,{cell},40,-74\n"))
    assert f"line 2: x {shown}" in refusal(Locations.from_csv, write(f"id,lat,lon,heading_deg,x,y\na,0,0,0,{cell},0\n"))
    assert f"line 3: to {shown}" in refusal(RouteGraph.from_csv, write(f"from,to\n0,1\n1,{cell}\n"), 4)
    assert f"line 2: column 2 {shown}" in refusal(read_routes, write(f"0,1\n1,{cell}\n"), square())
    assert f"line 1: column 2 {shown}" in refusal(read_turns, write(f"1,{cell},0\n"), 1, 4)
    curves = write(f"{','.join(COLUMNS)}\nx,2d,{cell},1,40\n")
    assert f"line 2: kept_percent {shown}" in refusal(published_curves, curves, "x", 100)
    assert f"line 3 {shown}" in refusal(_read_classes, write(f"4\n4\n{cell}\n4\n"))


def test_whole_numbers_are_written_as_such(write):
    assert "line 2: to is '1.0'" in refusal(RouteGraph.from_csv, write("from,to\n0,1.0\n"), 4)
    assert "column 1 is '1.0'" in refusal(read_routes, write("1.0,2.0\n"), square())
    for name, array in (("r", np.array([[0.0, 1.0]])), ("b", np.array([[False, True]]))):
        np.savez(write("", f"{name}.npz"), routes=array)
        assert "whole numbers" in refusal(read_routes, write.__closure__[0].cell_contents / f"{name}.npz", square())


@pytest.mark.parametrize("content", [
    ROWS, ROWS.replace("\n", "\r\n"), ROWS.replace("\n", "\r"), "\ufeff" + ROWS, ROWS.replace(",", ", "), ROWS.replace(",", "\t"),
    ROWS.replace(",", ";"), ROWS.replace(",", ";").replace(".", ","), ROWS.replace(",", "\t").replace(".", ","),
    "sep=;\r\n" + ROWS.replace(",", ";"), '"sep=,"\n' + ROWS, '"a","40.5","-73.25","10"\n"b","-33.75",151.125,-20.5\n',
    "ID;Lat;Lon;Heading\n" + ROWS.replace(",", ";").replace(".", ","), "\n" + ROWS + "\n,,,\n\n", ROWS.rstrip("\n"),
    ROWS.replace("\n", ",\n"), ROWS.replace("\n", ",city,,\n"), "ID;Lat;Lon;Yaw;;\n" + ROWS.replace(",", ";").replace("\n", ";;\n"),
    ",id,lat,lon,heading_deg\n0," + ROWS.replace("\nb", "\n1,b"),
    '"id","heading_deg","heading","lon","lat"\na,10,0,-73.25,40.5\nb,-20.5,0,151.125,-33.75',
    "id,lat,lon,yaw,thumbnail\n" + ROWS.replace("\n", f",https://example.org/{'x' * 500}\n"),
    ROWS.encode("utf-16"), ("\ufeff" + ROWS.replace(",", "\t")).encode("utf-16-be"), "a,4.05e1,-.7325E+02,10.\nb,-33.75,+151.125,-20.5\n",
])  # fmt: skip
def test_one_table_in_many_spellings(write, content):
    table = read_location_table(write(content))
    assert table["id"].tolist() == ["a", "b"]
    assert table[["lat", "lon", "heading_deg"]].to_numpy().tolist() == [[40.5, -73.25, 10], [-33.75, 151.125, -20.5]]


@pytest.mark.parametrize(("content", "words"), [
    ("é1,40,-74,0\n".encode("latin-1"), ("line 1 is not UTF-8", "iconv -f LATIN1 -t UTF-8")),
    (ROWS.encode("utf-16-le"), ("zero bytes", "UTF-8")), (ROWS.encode("utf-16")[:-1], ("UTF-16 that breaks off",)),
    (b"a,40,-74,0\nb,40\0,-74,0\n", ("zero bytes",)), (b"PK\3\4\0\0", ("zero bytes",)),
    ("a,40,5,-73,25,10\n", ("6 columns, no header", "semicolons")), ("id,lat,lon,heading_deg\na,40,5,-73,25,10\n", ("line 2 has 6 cells",)),
    ("a,40.5,-73.25,10\nb,40.5,-73.25\n", ("line 2 has 3 cells, line 1 has 4",)),
    ("a,40°42'N,74°0'W,0\n", ("line 1: lat is", "from -90 to 90 in decimal degrees")), ("a,-73.25,240.5,10\n", ("lon is '240.5'",)),
    ('a,"40,5","-73,25",10\n', ("line 1: lat is '40,5'", "decimal commas need semicolons")),
    ("id,lat,lng,longitude,yaw\na,1,2,3,4\n", ("'lon' more than once",)),
    ("# places\nid,lat,lon,yaw\n", ("line 2 has 4 cells, line 1 has 1", "as many as the first")),
    ("a,1.234,5;1;2\n", ("column",)), ("a;1.234,5;1;2\n", ("lat is '1.234,5'",)), ("a 40 -74 0\n", ("column 'lat' is missing",)),
    ("a,40,-74,1e9\n", ("heading_deg is '1e9'", "from -360 to 720")), ("a,40,-74,-361\n", ("heading_deg",)),
    ("a,40,-74,0\n\nb,40,-74,0\na,41,-74,0\n", ("line 4: id is 'a'", "line 1, too")), ('a,"40,-74,0\n', ("a quote is not closed",)),
    ("id,lat,lon,lat,heading_deg\na,1,2,3,4\n", ("'lat' more than once",)), ("", ("empty",)), ("\n,,,\n", ("empty",)),
    ("../x,40,-74,0\n", ("id '../x' cannot name a file",)), ("a/b,40,-74,0\n", ("'a/b'",)), (",40,-74,0\n", ("id ''",)),
    ('"a\nb",40,-74,0\n', ("cannot name a file",)), (".,40,-74,0\n", ("id '.'",)), ("é" * 124 + ",40,-74,0\n", ("cannot name a file",)),
])  # fmt: skip
def test_tables_that_are_refused_say_where_and_what_to_do(write, content, words):
    path = write(content)
    message = refusal(read_location_table, path)
    assert message.startswith(f"{path}: ") and all(word in message for word in words), message


def test_sizes_are_looked_at_before_memory_is_taken(write, monkeypatch):
    """An id of a megabyte once asked for 20 GB: every cell of an array of text takes as much as the longest."""
    long = "a" * 131_000
    assert "cannot name a file" in refusal(read_location_table, write(f"{long},40,-74,0\n" + "b,40,-74,0\n" * 5000))
    assert "letters in column 'city'" in refusal(
        read_location_table, write("".join(f"{i},40,-74,0,{long * (i == 0)}\n" for i in range(5000)))
    )  # noqa: E501
    assert "more than 131,072 letters" in refusal(read_location_table, write("a" * 1_000_000 + ",40,-74,0\n" + "b,40,-74,0\n" * 5000))
    assert "more than 131,072 letters" in refusal(read_location_table, write('a,40,-74,0\nb,"' + "40,-74,0\n" * 100_000))
    assert "10,001 columns" in refusal(read_table, write("1," * 10_000 + "1\n"), "routes")
    monkeypatch.setattr(tables, "MOST_TEXT_BYTES", 1000)
    assert "letters in column 'id'" in refusal(read_location_table, write("".join(f"{i:030},40,-74,0\n" for i in range(10))))
    monkeypatch.setattr(tables, "MOST_CELLS", 50)
    assert "more than 50 cells" in refusal(read_location_table, write(ROWS * 10))
    monkeypatch.setattr(tables, "MOST_BYTES", 50)
    assert "may have 0 MB" in refusal(read_location_table, write(ROWS * 10))


def test_numbers_are_read_to_the_last_bit(write):
    values = np.random.default_rng(0).uniform(-90, 90, 5000)
    table = read_location_table(write("".join(f"{i},{value!r},0,0\n" for i, value in enumerate(values.tolist()))))
    assert np.array_equal(table["lat"], values) and table["id"].tolist() == [str(i) for i in range(5000)]


def test_a_line_is_counted_as_an_editor_counts_it(write):
    rows = [f"a{i},40,-74,0" for i in range(10_000)]
    rows[9_000] = "x,40,east,0"
    assert "line 9002: lon is 'east'" in refusal(read_location_table, write("\n" + "\n".join(rows)))
    assert "line 3: lat is 'x' " not in refusal(read_location_table, write('a,40,-74,0\n"b",x,-74,0\n'))
    rows[5000] = "x,40,-74"
    assert "line 5001 has 3 cells" in refusal(read_location_table, write("\n".join(rows)))


def test_classes_as_other_programs_write_them(write):
    for text in ("4\n0\n24\n", "4\r\n0\r\n24\r\n", "4\n0\n24", "4.0\n0.0\n24.0\n", "4.000e+00\n0.000e+00\n2.4e+01\n"):
        assert _read_classes(write(text)).tolist() == [4, 0, 24]
    assert "line 2 is ''" in refusal(_read_classes, write("4\n\n4\n"))
    assert "line 2 is" in refusal(_read_classes, write(b"4\n\xff\0\n"))
    assert "line 1 is" in refusal(_read_classes, write("4" * 1000))


def test_damaged_tables_on_the_command_line(cases, run, refused, tmp_path):
    """As a user would see it: one line and exit status 2, where the process once died of a signal."""
    build_map(cases / "exif_upside_down/city.osm", tmp_path / "city", processes=1)
    result = run("-m", "data.prepare", "area", "--city", tmp_path / "city", "--name", "a", "--locations", cases / "damaged/locations.csv",
                 "--render", "--height", 16, "--points", 8, "--processes", 1)  # fmt: skip
    assert "locations.csv: line 1: heading_deg is '1e2147483648'" in refused(result)
    assert not (tmp_path / "city/a").exists()
