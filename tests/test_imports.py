"""No import goes up, and training and evaluation run from prepared areas on machines without the packages that prepare them."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# A package imports from floors below its own; data and models know nothing of each other.
FLOORS = [{"utils"}, {"config"}, {"data", "models"}, {"eval"}, {"training"}, {"benchmarks"}]
# Rooms inside of packages, by the same rule: a room imports from those before it.
ROOMS = {
    "data": [
        "surfaces", "city", "locations", "area", "osm", "render", "batches", "sources.photographs", "areas", "sources.streetlearn", "town",
        "pictures", "prepare",
    ],
    "eval.routes": ["graphs", "localizers", "inputs", "route_files", "results", "fit", "__main__"],
}  # fmt: skip
SCRIPT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"shapely", "osmium", "embreex", "numba", "cv2", "faiss", "torch_geometric", "timm"}:
            raise ImportError(name)

sys.meta_path.insert(0, Missing())
import training.train, eval.evaluate, models.published.images
"""


def imports_of(path: Path) -> set[str]:
    """Modules that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package.replace(".", "/")).rglob("*.py"))


def test_no_import_goes_up():
    floor = {package: number for number, packages in enumerate(FLOORS) for package in packages}
    up = []
    for package, number in floor.items():
        for path in sources(package):
            targets = {module.partition(".")[0] for module in imports_of(path)} & floor.keys() - {package}
            up += [f"{path.relative_to(ROOT)} imports {target}" for target in targets if floor[target] >= number]
    assert not up


def room_of(package: str, module: str) -> str | None:
    """The room of a package that a module is in; None where it is in none."""
    inside = module.removeprefix(f"{package}.")
    return next((room for room in ROOMS[package] if inside == room or inside.startswith(f"{room}.")), None)


def test_no_import_goes_up_between_rooms():
    up = []
    for package, rooms in ROOMS.items():
        for path in sources(package):
            own = room_of(package, ".".join(path.relative_to(ROOT).with_suffix("").parts))
            if path.name == "__init__.py" or own is None:
                continue
            for module in imports_of(path):
                target = room_of(package, module) if module.startswith(f"{package}.") else None
                if target and rooms.index(target) > rooms.index(own):
                    up.append(f"{path.relative_to(ROOT)} imports {module}")
    assert not up


def test_every_room_is_on_the_list():
    for package in ROOMS:
        files = [path for path in sources(package) if path.name != "__init__.py"]
        assert not [path for path in files if room_of(package, ".".join(path.relative_to(ROOT).with_suffix("").parts)) is None]


def test_modules_and_public_names_mean_one_thing():
    """No two modules, and no two public functions or classes, share a name."""
    modules: dict[str, list[str]] = {}
    names: dict[str, list[str]] = {}
    for package in set().union(*FLOORS):
        for path in sources(package):
            if path.stem not in ("__init__", "__main__"):
                modules.setdefault(path.stem, []).append(str(path.relative_to(ROOT)))
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_") and node.name != "main":
                    names.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert not {name: found for name, found in {**modules, **names}.items() if len(found) > 1}


def test_training_and_evaluation_import_without_the_packages_of_preparation():
    result = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
