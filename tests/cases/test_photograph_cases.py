"""Photographs as cameras and editors write them: the shared cases, and a second of each kind made here."""

import json
import sys

import numpy as np
import pytest
from PIL import ExifTags, Image
from PIL.Image import Transpose
from PIL.PngImagePlugin import PngInfo

from data import prepare
from data.area import Area
from data.osm.build import build_map
from data.sources.photographs.photograph_files import MOST_PIXELS, read_photograph
from data.sources.photographs.sphere import NAMESPACE, Sphere, sphere_of
from utils.errors import InputError

STORED = {  # how a camera stores an upright picture under each EXIF orientation: the inverse of how it is turned for looking at
    1: None, 2: Transpose.FLIP_LEFT_RIGHT, 3: Transpose.ROTATE_180, 4: Transpose.FLIP_TOP_BOTTOM, 5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_90, 7: Transpose.TRANSVERSE, 8: Transpose.ROTATE_270,
}  # fmt: skip


@pytest.fixture
def panorama():
    """Sky above, ground below, darker in the left half: (64, 128, 3)."""
    image = np.empty((64, 128, 3), np.uint8)
    image[:32], image[32:] = (50, 100, 200), (90, 60, 30)
    image[:, :64] //= 2
    return image


def scaled(image, height=32):
    return np.asarray(Image.fromarray(image).resize((2 * height, height), Image.Resampling.BOX)).astype(int)


@pytest.fixture(scope="module")
def city(cases, tmp_path_factory):
    """The map of the cases' places: they share one extract."""
    folder = tmp_path_factory.mktemp("photographs") / "city"
    build_map(cases / "exif_upside_down/city.osm", folder, processes=1)
    return folder


@pytest.fixture
def area(city, cases, monkeypatch):
    """Builds an area of the map in this process, as the cases' commands do; returns its folder."""

    def build(case, *options, name="a", photographs=None, places=None):
        assert (cases / case / "city.osm").read_bytes() == (cases / "exif_upside_down/city.osm").read_bytes()
        arguments = ["--city", city, "--name", name, "--locations", places or cases / case / "places.csv", "--panoramas",
                     photographs or cases / case / "photos", "--height", 64, "--points", 128, "--processes", 1, *options]  # fmt: skip
        monkeypatch.setattr(sys, "argv", ["prepare", "area", *map(str, arguments)])
        prepare.main()
        return city / name

    return build


def stored_by(area, case):
    return np.load(area(case, name=case) / "panoramas.npy")[0].astype(float)


def refusal(path):
    with pytest.raises(InputError) as caught:
        read_photograph(path, 32)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    return message


def test_upside_down(run_case, tmp_path):
    """As a user would run it; the other cases in this process."""
    results = run_case("exif_upside_down")
    assert [(result.returncode, result.stderr) for result in results] == [(0, "")] * 3
    upper, lower = np.split(np.asarray(Image.open(tmp_path / "stored.png")).astype(float), 2)
    assert upper[..., 2].mean() > upper[..., 0].mean() + 50 and lower[..., 2].mean() < lower[..., 0].mean()


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", STORED)
def test_every_orientation(tmp_path, panorama, orientation, suffix):
    image, exif, method = Image.fromarray(panorama), Image.Exif(), STORED[orientation]
    exif[ExifTags.Base.Orientation] = orientation
    path = tmp_path / f"p.{suffix}"
    (image if method is None else image.transpose(method)).save(path, exif=exif)
    assert np.abs(read_photograph(path, 32) - scaled(panorama)).mean() < 6
    published = read_photograph(path, 32, paper=True)
    assert np.abs(published - scaled(panorama)).mean() < 6


def test_a_panorama_on_its_side_is_none(tmp_path, panorama):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(panorama).save(tmp_path / "p.jpg", exif=exif)
    assert "64 × 128 pixels when turned as its EXIF orientation says" in refusal(tmp_path / "p.jpg")


def test_a_part_of_the_sphere(area):
    image = stored_by(area, "gpano_cropped")
    assert (image[:16] == 0).all() and (image[48:] == 0).all() and (image[:, :32] == 0).all() and (image[:, 96:] == 0).all()
    assert (image[17:47, 33:95].mean(2) > 20).all()


def packet(element="", **stated):
    attributes = " ".join(f'GPano:{name}="{value}"' for name, value in stated.items())
    return (f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
            f'xmlns:GPano="{NAMESPACE.strip("{}")}" {attributes}>{element}</rdf:Description></rdf:RDF></x:xmpmeta>').encode()  # fmt: skip


def sizes(full, part, left, top):
    return {"FullPanoWidthPixels": full[0], "FullPanoHeightPixels": full[1], "CroppedAreaImageWidthPixels": part[0],
            "CroppedAreaImageHeightPixels": part[1], "CroppedAreaLeftPixels": left, "CroppedAreaTopPixels": top}  # fmt: skip


def without(stated, *names):
    return {name: value for name, value in stated.items() if name not in names}


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_a_band_without_poles_stands_where_it_belongs(tmp_path, panorama, suffix):
    """A telephone's: all around, from 45° above to 22.5° below the horizon, and scaled down after its metadata were written."""
    path, band = tmp_path / f"p.{suffix}", panorama[16:40]
    xmp, text = packet(**sizes((4096, 2048), (4096, 768), 0, 512)), PngInfo()
    text.add_itxt("XML:com.adobe.xmp", xmp.decode())
    how = {"png": {"pnginfo": text}, "tif": {"tiffinfo": {700: xmp}}}
    Image.fromarray(band).save(path, **how.get(suffix, {"xmp": xmp}))
    read = read_photograph(path, 64)
    assert (read[:16] == 0).all() and (read[40:] == 0).all() and np.abs(read[16:40].astype(int) - band).mean() < 6


@pytest.mark.parametrize("stated", [
    {}, {"ProjectionType": "equirectangular", "PoseHeadingDegrees": "350.5", "PosePitchDegrees": "3"},
    sizes((8192, 4096), (8192, 4096), 0, 0), {"FullPanoWidthPixels": 9}, sizes(("128.0", " 64 "), (128, 64), "0.0", 0),
    without(sizes((8192, 4096), (8192, 4096), 0, 0), "CroppedAreaLeftPixels", "CroppedAreaTopPixels"),
    without(sizes((8192, 4096), (8192, 4096), 0, 0), "CroppedAreaImageWidthPixels"), {"CroppedAreaImageHeightPixels": 32},
    without(sizes((8192, 4096), (8192, 4096), 0, 0), "FullPanoWidthPixels", "CroppedAreaImageHeightPixels"),
    without(sizes((8192, 4096), (8192, 4096), 0, 0), "FullPanoWidthPixels", "FullPanoHeightPixels"),
])  # fmt: skip
def test_metadata_of_whole_spheres(stated):
    assert sphere_of(packet(**stated), 128, 64) == Sphere()


@pytest.mark.parametrize(("stated", "words"), [
    ({"ProjectionType": "cylindrical"}, "'cylindrical'"),
    (sizes((512, 256), (256, 128), 300, 0), "contradicts itself"), (sizes((512, 512), (256, 128), 0, 0), "contradicts itself"),
    (sizes((512, 256), (256, 256), 0, 0), "contradicts itself or its 128 × 64"), (sizes((128, 64), (64, 32), 0, 0), "contradicts"),
    (sizes((512, 256), (256, 128), -1, 0), "CroppedAreaLeftPixels is '-1'"), (sizes((0, 256), (256, 128), 0, 0), "'0'"),
    (sizes((512, "nan"), (256, 128), 0, 0), "'nan'"), (sizes((512, 256), ("1e9", 128), 0, 0), "'1e9'"),
])  # fmt: skip
def test_metadata_that_cannot_be(stated, words):
    for xmp in (packet(**stated), packet("".join(f"<GPano:{name}>{value}</GPano:{name}>" for name, value in stated.items()))):
        with pytest.raises(InputError, match="its metadata") as caught:
            sphere_of(xmp, 128, 64)
        assert words in str(caught.value)


@pytest.mark.parametrize("names", [
    ["CroppedAreaLeftPixels"], ["CroppedAreaTopPixels"], ["CroppedAreaLeftPixels", "CroppedAreaTopPixels"],
    ["CroppedAreaImageWidthPixels", "CroppedAreaImageHeightPixels"], ["FullPanoWidthPixels", "FullPanoHeightPixels"],
    ["FullPanoWidthPixels", "CroppedAreaImageHeightPixels", "CroppedAreaLeftPixels", "CroppedAreaTopPixels"],
])  # fmt: skip
def test_a_part_of_the_sphere_that_is_not_said_in_full(tmp_path, panorama, names):
    """It is neither put in a wrong place nor taken for a whole sphere."""
    stated = without(sizes((128, 64), (64, 32), 32, 16), *names)
    Image.fromarray(panorama[16:48, 32:96]).save(tmp_path / "p.jpg", xmp=packet(**stated))
    message = refusal(tmp_path / "p.jpg")
    assert f"a part of the sphere, but not {', '.join(names)}; add what is missing" in message and "exiftool" in message


def test_a_band_all_around_begins_at_its_left(tmp_path, panorama):
    """Its metadata need not say so."""
    stated = without(sizes((128, 64), (128, 32), 0, 16), "CroppedAreaLeftPixels")
    assert sphere_of(packet(**stated), 128, 32) == Sphere(0, 0.25, 1, 0.75)
    with pytest.raises(InputError, match="but not FullPanoWidthPixels, FullPanoHeightPixels"):  # no sphere is four times as wide as high
        sphere_of(packet(**without(stated, "FullPanoWidthPixels", "FullPanoHeightPixels")), 128, 32)


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_a_turned_part_of_the_sphere_is_refused(tmp_path, panorama, orientation):
    """As one is with preprocessing of the paper; one that is upright is read."""
    exif, method, path = Image.Exif(), STORED[orientation], tmp_path / "p.jpg"
    exif[ExifTags.Base.Orientation] = orientation
    image = Image.fromarray(panorama[16:48, 32:96])
    (image if method is None else image.transpose(method)).save(path, exif=exif, xmp=packet(**sizes((128, 64), (64, 32), 32, 16)))
    if orientation == 1:
        assert (read_photograph(path, 64)[:16] == 0).all()
        with pytest.raises(InputError, match="with preprocessing of the paper"):
            read_photograph(path, 64, paper=True)
    else:
        assert "that is turned by its EXIF orientation cannot be read; pad it" in refusal(path)


def test_entities_of_metadata_are_refused():
    with pytest.raises(InputError, match="a document type is declared"):
        sphere_of(b'<!DOCTYPE x [<!ENTITY a "512">]>' + packet(FullPanoWidthPixels="&a;"), 128, 64)
    with pytest.raises(InputError, match="cannot be read"):
        sphere_of(packet(FullPanoWidthPixels="1")[:-30], 128, 64)
    assert sphere_of(b"<x", 128, 64) == Sphere()


def test_sixteen_bits(area):
    image = stored_by(area, "grey_16_bit")
    assert abs(np.median(image[:32]) - 134) <= 1 and abs(np.median(image[32:]) - 92) <= 1


def test_levels_of_other_depths(tmp_path, panorama):
    grey = panorama[..., 2]
    for name, stored in (("p.png", grey.astype(np.uint16) * 257), ("big.tif", (grey.astype(np.uint16) * 257 + 100).astype(">u2")),
                         ("f.tif", (grey / 255).astype(np.float32))):  # fmt: skip
        Image.fromarray(stored).save(tmp_path / name)
        assert np.abs(read_photograph(tmp_path / name, 64) - grey[..., None].astype(int)).max() <= 1, name
    for stored, words in ((grey.astype(np.float32), "between 0 and 1"), (np.full((64, 128), np.nan, np.float32), "between 0 and 1"),
                          (grey.astype(np.int32), "32 bits")):  # fmt: skip
        Image.fromarray(stored).save(tmp_path / "bad.tif")
        assert words in refusal(tmp_path / "bad.tif")


def test_what_is_transparent_is_black(tmp_path, panorama):
    image = Image.fromarray(panorama)
    alpha = Image.new("L", image.size, 255)
    alpha.paste(0, (0, 0, 128, 32))
    image.putalpha(alpha)
    image.save(tmp_path / "rgba.png")
    palette = Image.fromarray(panorama).quantize(4)
    palette.save(tmp_path / "palette.png", transparency=palette.getpixel((100, 10)))
    assert (read_photograph(tmp_path / "rgba.png", 64)[:32] == 0).all()
    assert (read_photograph(tmp_path / "palette.png", 64)[:32, 64:] == 0).all()
    for name in ("rgba.png", "palette.png"):
        assert np.abs(read_photograph(tmp_path / name, 64)[32:].astype(int) - panorama[32:]).max() < 8


def test_two_files_of_one_id(area, city):
    with pytest.raises(InputError, match="p.jpg and p.png are of one id"):
        area("jpg_and_png_of_one_id", name="two")
    assert not (city / "two").exists()


@pytest.mark.filterwarnings("error")
def test_220_megapixels(area):
    image = stored_by(area, "panorama_220_megapixels")
    assert image[:32].mean() > image[32:].mean() + 20


def test_larger_than_any_camera(tmp_path):
    width = 2 * int((MOST_PIXELS / 2) ** 0.5) + 100
    Image.new("1", (width, width // 2)).save(tmp_path / "bomb.png")
    assert f"more than {MOST_PIXELS:,} pixels" in refusal(tmp_path / "bomb.png")


def test_what_only_calls_itself_a_photograph(tmp_path, panorama):
    """Formats that can run programs, or that no camera writes, are not even tried."""
    Image.fromarray(panorama).save(tmp_path / "p.jpg", "EPS")
    assert "cannot be read as an image" in refusal(tmp_path / "p.jpg")
    Image.fromarray(panorama).save(tmp_path / "p.jpg", "PNG")
    assert np.array_equal(read_photograph(tmp_path / "p.jpg", 64), panorama)


def test_one_bad_photograph_does_not_throw_the_area_away(area, city, tmp_path, panorama, capsys):
    photographs, places = tmp_path / "photos", tmp_path / "places.csv"
    photographs.mkdir()
    Image.fromarray(panorama).save(photographs / "good.jpg")
    Image.fromarray(panorama[:, :64]).save(photographs / "square.jpg")
    (photographs / "text.jpg").write_text("no image")
    places.write_text("id,lat,lon,heading_deg\n" + "".join(f"{name},50,8,90\n" for name in ("square", "good", "text", "none")))
    arguments = {"case": "exif_upside_down", "name": "some", "photographs": photographs, "places": places}
    with pytest.raises(InputError, match="3 of 4 panoramas cannot be used") as caught:
        area(**arguments)
    assert all(word in str(caught.value) for word in ("'square'", "'text'", "'none'", "--skip"))
    assert not (city / "some").exists() and len(list(photographs.iterdir())) == 3
    capsys.readouterr()
    folder = area("exif_upside_down", "--skip", name="some", photographs=photographs, places=places)
    assert "3 of 4 places left out" in capsys.readouterr().out
    assert list(json.loads((folder / "area.json").read_text())["left_out"]) == ["square", "text", "none"]
    assert Area(city.parent, f"{city.name}/some").locations.ids.tolist() == ["good"]


def test_a_damaged_tiff_is_not_read_in_part(tmp_path, panorama, capfd):
    """libtiff reports damage on the terminal and continues."""
    path = tmp_path / "p.tif"
    Image.fromarray(panorama).convert("1").save(path, compression="group4")
    content = bytearray(path.read_bytes())
    start = Image.open(path).tag_v2[273][0]
    for at in range(start + 20, start + 40):
        content[at] ^= 0x55
    path.write_bytes(content)
    assert "Fax4Decode" in refusal(path) and capfd.readouterr().err == ""
