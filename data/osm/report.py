"""What a built map holds, for the terminal."""

from utils.classes import CLASSES


def summary_of(info: dict) -> str:
    """Several lines: extent, elements and points by class, heights, what was repaired, refused and dropped, and the time.

    Args:
        info: what `build_map` returns.
    """
    x0, y0, x1, y1 = info["bounds"]
    elements, heights, raised = info["elements"], info["height_from"], info["raised_parts"]
    volumes = max(1, info["building_volumes"])
    tagged = heights["height"] + heights["levels"]
    lines = [
        f"{(x1 - x0) / 1000:.1f} × {(y1 - y0) / 1000:.1f} km, {info['points']:,} points, {info['seconds']:.0f} s",
        f"  {elements.get('buildings', 0):,} buildings and {elements.get('building parts', 0):,} parts make "
        f"{info['building_volumes']:,} volumes; {100 * tagged / volumes:.1f} % have a real height "
        f"({heights['height']:,} by height, {heights['levels']:,} by levels, {heights['default']:,} by default); "
        f"roofs: {_counts(info['roofs'])}; drawn flat: {_counts(info['roofs_drawn_flat'])}; "
        f"{raised['above the ground']:,} parts begin above the ground, {raised['with nothing below']:,} with nothing below them",
        f"  {elements.get('trees', 0):,} trees, {elements.get('bridges', 0):,} ways on bridges",
        f"  {'class':<18}{'elements':>10}{'points':>14}",
    ]
    for c in CLASSES:
        points, count = info["points_by_class"].get(c.name, 0), elements.get(c.name, 0)
        if points or count:
            lines.append(f"  {c.name:<18}{count or '':>10,}{points:>14,}" if count else f"  {c.name:<18}{'':>10}{points:>14,}")
    lines.append(
        f"  repaired: {info['repaired']:,} polygons; dropped: {_counts(info['dropped'])}; "
        f"unparsable values: {_counts(info['refused_values'])}"
    )
    return "\n".join(lines)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{n:,} {name}" for name, n in counts.items() if n) or "none"
