"""The surfaces of a map: what the triangles of triangles.npy are of (kind.npy), and how high bridges are."""

WALL, ROOF, TRUNK, CROWN, GROUND, DECK, UNDERSIDE = range(7)
DECK_M_PER_LEVEL = 5.0  # height of a bridge, by its `layer`
