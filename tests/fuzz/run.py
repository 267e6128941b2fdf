"""Damages inputs of every reader at random; says which were neither read nor refused in one line, as the project promises.

example: python -m tests.fuzz.run --inputs 10000 --seed 1 --jobs 2 --keep /tmp/faults
"""

import argparse
import io
import random
import shutil
import tempfile
import warnings
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from multiprocessing import get_context
from pathlib import Path

import torch

from tests.fuzz.targets import COMMANDS, READERS, Target, fault
from tests.fuzz.world import write_world

TARGETS = [*READERS, *COMMANDS]
COMMAND_SHARE = 0.2  # of the inputs goes through whole commands


def seeds_of(target: Target, seed: int, number: int) -> list[int]:
    """The changes of an input."""
    rng = random.Random(f"{target.name}/{seed}/{number}")
    return [rng.randrange(2**32) for _ in range(rng.choice((1, 1, 1, 2, 3)))]


def attempt(target: Target, seeds: list[int], world: Path, keep: Path | None = None):
    """The fault of one input (None: there is none), and how it was received. A faulty input is kept, with what was said."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        path = target.damaged(world, seeds, Path(folder))
        result = target.run(path, world)
        found = fault(result, path, target.command is not None)
        if found and keep:
            kept = keep / target.name.replace(" ", "_") / "-".join(map(str, seeds))
            kept.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, kept / path.name)
            (kept / "fault.txt").write_text(f"{found}\n{result.err}")
    return found, result


def _task(task):
    global _world, _keep
    index, seed, number = task  # what a target does cannot be pickled
    target = TARGETS[index]
    return target.name, number, *attempt(target, seeds_of(target, seed, number), _world, _keep)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz.run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=1000, help="over all readers (default 1000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--reader", action="append", help="only these (default: all; --reader list names them)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where inputs at fault are kept")
    args = parser.parse_args()
    targets = [t for t in TARGETS if not args.reader or t.name in args.reader]
    if not targets:
        parser.error("readers: " + ", ".join(repr(t.name) for t in TARGETS))
    global _world, _keep
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(prefix="fuzz-world-") as folder:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):  # a training among it
            _world = write_world(Path(folder) / "world")
        _keep = args.keep and args.keep.resolve()
        tasks = _tasks(targets, args.inputs, args.seed)
        with ProcessPoolExecutor(args.jobs, mp_context=get_context("fork")) as pool:
            faults = _report(pool.map(_task, tasks, chunksize=8), args.seed)
    raise SystemExit(1 if faults else 0)


def _tasks(targets: list[Target], inputs: int, seed: int) -> list[tuple[int, int, int]]:
    groups = [group for group in ([t for t in targets if t.command is None], [t for t in targets if t.command]) if group]
    shares = [1.0] if len(groups) == 1 else [1 - COMMAND_SHARE, COMMAND_SHARE]
    counts = [max(1, round(inputs * share / len(group))) for group, share in zip(groups, shares, strict=True)]
    return [(TARGETS.index(t), seed, number) for group, n in zip(groups, counts, strict=True) for t in group for number in range(n)]


def _report(outcomes, seed: int) -> int:
    counts, slowest, largest, faults = defaultdict(Counter), Counter(), Counter(), defaultdict(lambda: defaultdict(list))
    for name, number, found, result in outcomes:
        counts[name]["fault" if found else "read" if result.status == 0 else "refused"] += 1
        slowest[name], largest[name] = max(slowest[name], result.seconds), max(largest[name], result.memory)
        if found:
            faults[name][found].append(number)
    print(f"{'reader':30}{'inputs':>8}{'read':>8}{'refused':>9}{'faults':>8}{'slowest':>10}{'memory':>10}")
    for name, count in counts.items():
        print(f"{name:30}{count.total():8}{count['read']:8}{count['refused']:9}{count['fault']:8}"
              f"{slowest[name]:8.1f} s{largest[name] >> 20:7} MB")  # fmt: skip
    total = sum(counts.values(), Counter())
    print(f"{f'all, seed {seed}':30}{total.total():8}{total['read']:8}{total['refused']:9}{total['fault']:8}")
    for name, found in faults.items():
        print(f"\n{name}:")
        for text, numbers in sorted(found.items(), key=lambda pair: -len(pair[1])):
            print(f"  {len(numbers):4} × {text}  (inputs {', '.join(map(str, numbers[:4]))})")
    return total["fault"]


if __name__ == "__main__":
    main()
