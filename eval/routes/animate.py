"""An animation of one route: what the panorama shows, the candidates of the published search on the map, and the true position."""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from eval.routes.graph import RouteGraph
from eval.routes.inputs import RouteInputs
from eval.routes.localizer import TAIL
from eval.routes.published import Candidates, PublishedSearch
from utils.atomic import atomic_file
from utils.errors import InputError
from utils.progress import progress

MAP_PX, SIDE_PX, CAPTION_PX, FRAME_MS = 640, 480, 44, 500
ZOOM_M = 300.0  # edge of the close view around the true position
ROADS, TRUE, PALE, STRONG = (120, 128, 136), (0, 140, 60), np.array([255, 190, 90]), np.array([200, 0, 30])

PAGE = """<!doctype html><meta charset="utf-8"><title>{title}</title>
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
        metres: (2,) width and height shown.
        pixels: (2,) size of the picture.
    """

    def __init__(self, centre: np.ndarray, metres: np.ndarray, pixels: tuple[int, int]):
        self.scale = float(min(np.asarray(pixels) / metres))  # pixels per metre
        self.pixels, half = pixels, np.asarray(pixels) / self.scale / 2
        self.west, self.north = centre[0] - half[0], centre[1] + half[1]

    def to_pixels(self, xy: np.ndarray) -> np.ndarray:
        """Metres (n, 2) to pixels (n, 2), column and row."""
        return (np.asarray(xy) - (self.west, self.north)) * (1, -1) * self.scale

    def background(self, inputs: RouteInputs) -> Image.Image:
        """The drawn map, or the graph of places where there is none."""
        if inputs.city is None:
            picture = Image.new("RGB", self.pixels, (250, 250, 248))
            draw_graph(ImageDraw.Draw(picture), self.to_pixels(inputs.xy), inputs.map.graph)
            return picture
        corners = np.array([(self.west, self.north), (self.west + self.pixels[0] / self.scale, self.north - self.pixels[1] / self.scale)])
        (c0, r0), (c1, r1) = np.floor(inputs.city.georeference.to_pixels(corners)).astype(int).tolist()
        raster, every = inputs.city.raster, max(1, (c1 - c0) // (3 * self.pixels[0]))  # what is left is averaged, against speckles
        picture = Image.new("RGB", (-(-(c1 - c0) // every), -(-(r1 - r0) // every)), (235, 235, 235))
        left, top = max(0, c0), max(0, r0)
        shown = raster[top : max(top, r1) : every, left : max(left, c1) : every]
        if shown.size:
            picture.paste(Image.fromarray(np.ascontiguousarray(shown)), ((left - c0) // every, (top - r0) // every))
        picture = picture.resize(self.pixels, Image.Resampling.BILINEAR)
        return Image.blend(picture, Image.new("RGB", self.pixels, "white"), 0.35)  # so that candidates stand out


def draw_graph(draw: ImageDraw.ImageDraw, at: np.ndarray, graph: RouteGraph) -> None:
    """Edges of places at pixels (N, 2)."""
    for a, b in zip(at[graph.origin], at[graph.neighbor], strict=True):
        draw.line([*a, *b], fill=ROADS)


def check_animation(path: Path, inputs: RouteInputs) -> None:
    """Whether an animation can be made, before the work.

    Raises:
        InputError: the suffix is neither .gif nor .html, or the places have no positions.
    """
    if path.suffix not in (".gif", ".html"):
        raise InputError(f"{path}: an animation is written as .gif or .html")
    if inputs.xy is None:
        raise InputError("an animation needs the positions of the places; give --locations CSV or the area's folder as --graph")


def animate(path: Path, inputs: RouteInputs, route: np.ndarray, turns: np.ndarray | None, keep_percent: float, title: str) -> None:
    """Writes a `.gif`, or an `.html` that needs nothing else.

    Args:
        route: (L,) true places.
        turns: (L − 1,) bool observed turns, or None.

    Raises:
        InputError: as `check_animation`.
    """
    check_animation(path, inputs)
    found = PublishedSearch(inputs.map, keep_percent).search(inputs.query[route], turns)
    frames = draw_frames(inputs, route, found, title)
    with atomic_file(path) as temporary:
        if path.suffix == ".gif":
            first, *others = (_quantized(frame) for frame in frames)
            duration = [FRAME_MS] * len(others) + [4 * FRAME_MS]
            first.save(temporary, "GIF", save_all=True, append_images=others, duration=duration, loop=0)
        else:
            pictures = ",".join(f'"{base64.b64encode(_png(frame)).decode()}"' for frame in frames)
            temporary.write_text(PAGE.format(title=title, last=len(frames) - 1, frames=pictures, pause=FRAME_MS), encoding="utf-8")


def draw_frames(inputs: RouteInputs, route: np.ndarray, found: Candidates, title: str) -> list[Image.Image]:
    """One picture a step."""
    xy, low, high = inputs.xy, inputs.xy.min(0), inputs.xy.max(0)
    whole = View((low + high) / 2, (high - low + 40).clip(ZOOM_M), (MAP_PX, MAP_PX))
    base, with_panorama = whole.background(inputs), inputs.area is not None
    close_px = (SIDE_PX, MAP_PX - SIDE_PX // 2 if with_panorama else MAP_PX)
    spread = max(float(np.std(found.score[: found.step[1]])), 1e-9)  # of one step: how far apart unlike places score
    frames = []
    for t, place in enumerate(progress(route, desc="frames", unit=" frames")):
        frame = Image.new("RGB", (MAP_PX + SIDE_PX, MAP_PX + CAPTION_PX), "white")
        close = View(xy[place], np.full(2, ZOOM_M), close_px)
        candidates, weights = _weights(found, t, spread)
        frame.paste(_draw(whole, base.copy(), xy, candidates, weights, route[: t + 1], 2), (0, 0))
        frame.paste(_draw(close, close.background(inputs), xy, candidates, weights, route[: t + 1], 5), (MAP_PX, MAP_PX - close_px[1]))
        if with_panorama:
            panorama = Image.fromarray(inputs.area.panoramas[place])
            frame.paste(panorama.resize((SIDE_PX, SIDE_PX // 2), Image.Resampling.BICUBIC), (MAP_PX, 0))
        _caption(frame, inputs, route[: t + 1], found, t, title)
        frames.append(frame)
    return frames


def _weights(found: Candidates, t: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Places with candidates after step t, the best last, and exp(−(score − best score) / spread) of each: 1 for the best."""
    first, last = found.step[t : t + 2]
    places, best = np.unique(found.place[first:last], return_index=True)  # sorted by score: the first of a place is its best
    order = np.argsort(-best)
    score = found.score[first + best[order]]
    return places[order], np.exp((score[-1:] - score) / spread)


def _draw(view: View, picture: Image.Image, xy: np.ndarray, places: np.ndarray, weights: np.ndarray, route: np.ndarray,
          radius: int) -> Image.Image:  # fmt: skip
    draw = ImageDraw.Draw(picture)
    for (x, y), weight in zip(view.to_pixels(xy[places]), weights, strict=True):
        colour = tuple((PALE + (STRONG - PALE) * weight).astype(int).tolist())
        r = radius * (0.6 + weight)
        draw.ellipse([x - r, y - r, x + r, y + r], fill=colour)
    passed = view.to_pixels(xy[route])
    if len(passed) > 1:
        draw.line([tuple(p) for p in passed.tolist()], fill=TRUE, width=2)
    x, y = passed[-1]
    for r in (8, 9, 10):
        draw.ellipse([x - r, y - r, x + r, y + r], outline=TRUE)
    return picture


def _caption(frame: Image.Image, inputs: RouteInputs, passed: np.ndarray, found: Candidates, t: int, title: str) -> None:
    draw, font = ImageDraw.Draw(frame), ImageFont.load_default(15)
    count, path, at = int(found.step[t + 1] - found.step[t]), [], int(found.step[t])
    while count and at >= 0 and len(path) < TAIL:
        path.append(int(found.place[at]))
        at = int(found.parent[at])
    right = path == passed[::-1][:TAIL].tolist()
    verdict = "no candidate left" if not count else f"best path {'right' if right else 'wrong'}"
    if count and not right:
        verdict += f", {np.hypot(*(inputs.xy[path[0]] - inputs.xy[passed[-1]])):.0f} m away"
    draw.line([MAP_PX, 0, MAP_PX, MAP_PX], fill="white", width=4)
    draw.text((8, MAP_PX + 4), f"{title}, panorama {t + 1}: {count:,} candidates, {verdict}   (green: true position; red: best candidates)",
              fill="black", font=font)  # fmt: skip
    if inputs.city is not None:
        draw.text((8, MAP_PX + 25), inputs.city.info["attribution"], fill=(90, 90, 90), font=ImageFont.load_default(12))


def _png(frame: Image.Image) -> bytes:
    file = io.BytesIO()
    _quantized(frame).save(file, "PNG")
    return file.getvalue()


def _quantized(frame: Image.Image) -> Image.Image:
    """In 128 colours, those of the candidates and of the true position among them however few pixels they have."""
    drawn = [TRUE, *(PALE + (STRONG - PALE) * np.linspace(0, 1, 15)[:, None]).astype(int).tolist()]
    palette = Image.new("P", (1, 1))
    common = frame.quantize(128 - len(drawn)).getpalette()[: 3 * (128 - len(drawn))]
    palette.putpalette([*common, *np.array(drawn).ravel().tolist()])
    return frame.quantize(palette=palette, dither=Image.Dither.NONE)
