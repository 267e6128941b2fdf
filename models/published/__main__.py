"""Converts a checkpoint of the published system (arXiv 2308.05993) to this project's format.

A complete model becomes a run folder. A single encoder becomes a file for `weights: PATH`.

examples: python -m models.published resnetsafa_dgcnn_asam_2to3.pth runs/published
          python -m data.prepare streetlearn --root 2-5DMap-Dataset --area unionsquare5kU --preprocessing paper
          sh evals.sh runs/published manhattan/unionsquare5kU
          python -m models.published dgcnn.pth dgcnn.safetensors
"""

import argparse
from pathlib import Path

from models.published.convert import convert
from utils.arguments import Parser
from utils.errors import run_command


def main() -> None:
    parser = Parser(prog="python -m models.published", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help=".pth: a state dict, itself or under `model` or `state_dict`")
    parser.add_argument("out", type=Path, metavar="OUT", help="new run folder, or new .safetensors file for a single encoder")
    parser.add_argument("--fusion", choices=("add", "concat"), default="add",
                        help="for models without a final block, whose tensors do not tell the two apart (default add)")  # fmt: skip
    args = parser.parse_args()
    print(convert(args.checkpoint, args.out, args.fusion))
    print(f"written: {args.out}")


if __name__ == "__main__":
    run_command(main)
