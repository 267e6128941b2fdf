"""Prints the reference of all settings of recipes (docs/recipes.md).

example: python -m config > docs/recipes.md
"""

import argparse

from config.recipe_reference import recipe_reference
from utils.arguments import Parser
from utils.errors import run_command


def main() -> None:
    Parser(prog="python -m config", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    print(recipe_reference(), end="")


if __name__ == "__main__":
    run_command(main)
