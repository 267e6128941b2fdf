"""Training and evaluation run from prepared areas on machines without the packages that prepare them."""

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"shapely", "osmium", "embreex", "numba", "cv2", "faiss", "torch_geometric", "timm"}:
            raise ImportError(name)

sys.meta_path.insert(0, Missing())
import training.train, eval.evaluate, models.published.images
"""


def test_training_and_evaluation_import_without_the_packages_of_preparation():
    root = Path(__file__).resolve().parents[1]
    result = subprocess.run([sys.executable, "-c", SCRIPT], cwd=root, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
