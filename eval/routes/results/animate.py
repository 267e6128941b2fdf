"""An animation of one route: the panoramas, the places that a localizer believes in, and the true position."""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from eval.routes.graphs.route_graph import RouteGraph
from eval.routes.inputs import RouteInputs
from eval.routes.localizers.localizer import Belief, Localizer
from eval.routes.results.accuracy import true_tails
from utils.atomic import atomic_file
from utils.errors import InputError
from utils.outputs import SOFTWARE
from utils.progress import progress

HEIGHT_PX, WIDTHS_PX, SIDE_PX, GAP_PX, CAPTION_PX, FRAME_MS = 640, (320, 960), 480, 4, 44, 500
ZOOM_M, MARGIN_M = 300.0, 40.0  # width of the close view around the true position; margin around the whole area
ROADS, TRUE, PALE, STRONG = (120, 128, 136), (0, 140, 60), np.array([255, 190, 90]), np.array([200, 0, 30])

PAGE = """<!doctype html><meta charset="utf-8"><meta name="generator" content="{software}"><title>{title}</title>
<style>body{{font:15px sans-serif;margin:1em}}img{{max-width:100%;display:block}}input{{width:60%}}</style>
<img id="f" alt="{title}"><button id="p">pause</button> <input id="s" type="range" min="0" max="{last}" value="0">
<script>const frames=[{frames}],f=document.getElementById("f"),s=document.getElementById("s"),p=document.getElementById("p");
let running=true;const show=()=>f.src="data:image/png;base64,"+frames[s.value];s.oninput=show;
p.onclick=()=>{{running=!running;p.textContent=running?"pause":"play"}};
setInterval(()=>{{if(running){{s.value=(+s.value+1)%frames.length;show()}}}},{pause});show();</script>
"""


class View:
    """A north-up window of the map.

    Args:
        centre: (2,) metres.
        metres: (2,) width and height that the window shows at least.
        pixels: width and height of the picture.
    """

    def __init__(self, centre: np.ndarray, metres: np.ndarray, pixels: tuple[int, int]):
        self.scale = float(min(np.asarray(pixels) / metres))  # pixels per metre
        self.pixels, half = pixels, np.asarray(pixels) / self.scale / 2
        self.west, self.north = centre[0] - half[0], centre[1] + half[1]

    def to_pixels(self, xy: np.ndarray) -> np.ndarray:
        """Metres (n, 2) to pixels (n, 2), column and row."""
        return (np.asarray(xy) - (self.west, self.north)) * (1, -1) * self.scale

    def background(self, inputs: RouteInputs) -> Image.Image:
        """The drawn map, or the graph of places where there is no map."""
        if inputs.city is None:
            picture = Image.new("RGB", self.pixels, (250, 250, 248))
            draw_graph(ImageDraw.Draw(picture), self.to_pixels(_positions(inputs)), inputs.map.graph)
            return picture
        corners = np.array([(self.west, self.north), (self.west + self.pixels[0] / self.scale, self.north - self.pixels[1] / self.scale)])
        (c0, r0), (c1, r1) = np.floor(inputs.city.georeference.to_pixels(corners)).astype(int).tolist()
        raster = inputs.city.raster
        every = max(1, (c1 - c0) // (3 * self.pixels[0]))  # up to three pixels of the map are averaged, so that lines do not break up
        picture = Image.new("RGB", (-(-(c1 - c0) // every), -(-(r1 - r0) // every)), (235, 235, 235))
        left, top = max(0, c0), max(0, r0)
        shown = raster[top : max(top, r1) : every, left : max(left, c1) : every]
        if shown.size:
            picture.paste(Image.fromarray(np.ascontiguousarray(shown)), ((left - c0) // every, (top - r0) // every))
        picture = picture.resize(self.pixels, Image.Resampling.BILINEAR)
        return Image.blend(picture, Image.new("RGB", self.pixels, "white"), 0.35)  # so that candidates stand out


def draw_graph(draw: ImageDraw.ImageDraw, at: np.ndarray, graph: RouteGraph) -> None:
    """Draws the edges between places at pixels (N, 2)."""
    for a, b in zip(at[graph.origin], at[graph.neighbor], strict=True):
        draw.line([*a, *b], fill=ROADS)


def check_animation(path: Path, inputs: RouteInputs) -> None:
    """Refuses, before the work, an animation that cannot be made.

    Raises:
        InputError: the suffix is neither .gif nor .html, or the places have no positions.
    """
    if path.suffix not in (".gif", ".html"):
        raise InputError(f"{path}: an animation is written as .gif or .html")
    _positions(inputs)


def _positions(inputs: RouteInputs) -> np.ndarray:
    if inputs.xy is None:
        raise InputError("an animation needs the positions of the places; give --locations CSV or the area's folder as --graph")
    return inputs.xy


def animate(path: Path, inputs: RouteInputs, localizer: Localizer, route: np.ndarray, turns: np.ndarray | None, title: str) -> None:
    """Writes a `.gif`, or an `.html` that needs no other file.

    Args:
        route: (L,) true places.
        turns: (L − 1,) bool observed turns, or None.

    Raises:
        InputError: as `check_animation`; as the localizer.
    """
    check_animation(path, inputs)
    frames = draw_frames(inputs, route, localizer.beliefs(inputs.query[route], turns), title)
    with atomic_file(path) as temporary:
        if path.suffix == ".gif":
            first, *others = (_quantized(frame) for frame in frames)
            duration = [FRAME_MS] * len(others) + [4 * FRAME_MS]
            first.save(temporary, "GIF", save_all=True, append_images=others, duration=duration, loop=0, comment=SOFTWARE.encode())
        else:
            pictures = ",".join(f'"{base64.b64encode(_png(frame)).decode()}"' for frame in frames)
            page = PAGE.format(title=title, last=len(frames) - 1, frames=pictures, pause=FRAME_MS, software=SOFTWARE)
            temporary.write_text(page, encoding="utf-8")


def draw_frames(inputs: RouteInputs, route: np.ndarray, beliefs: list[Belief], title: str) -> list[Image.Image]:
    """A picture of each step: the whole area, and beside it the panorama and the surroundings of the true position."""
    xy = _positions(inputs)
    low, high = xy.min(0), xy.max(0)
    metres = (high - low + MARGIN_M).clip(ZOOM_M)
    map_px = int(np.clip(HEIGHT_PX * metres[0] / metres[1], *WIDTHS_PX))
    whole, panoramas = View((low + high) / 2, metres, (map_px, HEIGHT_PX)), None if inputs.area is None else inputs.area.panoramas
    base, above = whole.background(inputs), 0 if panoramas is None else SIDE_PX * panoramas.shape[1] // panoramas.shape[2]
    frames, tails = [], true_tails(route[None])[0]
    for t, (place, belief) in enumerate(zip(progress(route, desc="frames", unit=" frames"), beliefs, strict=True)):
        frame = Image.new("RGB", (map_px + GAP_PX + SIDE_PX, HEIGHT_PX + CAPTION_PX), "white")
        close = View(xy[place], np.full(2, ZOOM_M), (SIDE_PX, HEIGHT_PX - above))
        frame.paste(_draw(whole, base.copy(), xy, belief, route[: t + 1], 2), (0, 0))
        frame.paste(_draw(close, close.background(inputs), xy, belief, route[: t + 1], 5), (map_px + GAP_PX, above))
        if panoramas is not None:
            picture = Image.fromarray(panoramas[place]).resize((SIDE_PX, above), Image.Resampling.BICUBIC)
            frame.paste(picture, (map_px + GAP_PX, 0))
        _caption(frame, inputs, place, belief, (belief.tail == tails[t]).all(), f"{title}, panorama {t + 1} of {len(route)}")
        frames.append(frame)
    return frames


def _draw(view: View, picture: Image.Image, xy: np.ndarray, belief: Belief, route: np.ndarray, radius: int) -> Image.Image:
    draw = ImageDraw.Draw(picture)
    for (x, y), weight in zip(view.to_pixels(xy[belief.place]), belief.weight, strict=True):
        colour = tuple((PALE + (STRONG - PALE) * weight).astype(int).tolist())
        r = radius * (0.6 + weight)
        draw.ellipse([x - r, y - r, x + r, y + r], fill=colour)
    passed = view.to_pixels(xy[route])
    if len(passed) > 1:
        draw.line([tuple(p) for p in passed.tolist()], fill=TRUE, width=2)
    x, y = passed[-1]
    draw.ellipse([x - 10, y - 10, x + 10, y + 10], outline=TRUE, width=3)
    return picture


def _caption(frame: Image.Image, inputs: RouteInputs, place: int, belief: Belief, right: bool, title: str) -> None:
    found = int(belief.tail[-1])
    if found < 0:
        verdict = "no path left"
    elif found == place:
        verdict = f"best path {'right' if right else 'right here, wrong before'}"
    else:
        xy = _positions(inputs)
        distance_m = np.hypot(*(xy[found] - xy[place]))
        verdict = f"best path wrong, its end {distance_m:.0f} m away"
    draw, top = ImageDraw.Draw(frame), frame.height - CAPTION_PX
    draw.text((8, top + 4), f"{title}: {belief.summary}, {verdict}", fill="black", font=ImageFont.load_default(15))
    legend = "green: true position; red: the likeliest places"
    if inputs.city is not None:
        legend += f".  {inputs.city.info['attribution']}"
    draw.text((8, top + 25), legend, fill=(90, 90, 90), font=ImageFont.load_default(12))


def _png(frame: Image.Image) -> bytes:
    file = io.BytesIO()
    _quantized(frame).save(file, "PNG")
    return file.getvalue()


def _quantized(frame: Image.Image) -> Image.Image:
    """The picture in 128 colours. Candidates and the true position keep theirs, however few pixels they have."""
    drawn = [TRUE, *(PALE + (STRONG - PALE) * np.linspace(0, 1, 15)[:, None]).astype(int).tolist()]
    palette = Image.new("P", (1, 1))
    common = (frame.quantize(128 - len(drawn)).getpalette() or [])[: 3 * (128 - len(drawn))]
    palette.putpalette([*common, *np.array(drawn).ravel().tolist()])
    return frame.quantize(palette=palette, dither=Image.Dither.NONE)
