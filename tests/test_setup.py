"""The set-up scripts, on made-up projects: none of these tests installs anything."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from utils import requirements

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ("trains.sh", "evals.sh", "tests.sh", "utils/setup.sh")
SHOW_ARGUMENTS = "import sys\nprint(__spec__.name, *sys.argv[1:])\n"
# What setup.sh asks of the Python in .venv, without one: each installation is noted in `installed`.
FAKE_PYTHON = """#!/bin/sh
case "$*" in
    *"pip install"*) echo "$*" >> installed; exit {status} ;;
    "-m training.train"*) echo "trains $*" ;;
esac
"""


@pytest.fixture
def project(tmp_path):
    """A project that pins nothing, so any Python will do, and whose commands print their arguments."""
    root = tmp_path / "a project"
    for name in (*SCRIPTS, "utils/requirements.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    for name in ("data/prepare.py", "training/train.py", "eval/evaluate.py"):
        (root / name).parent.mkdir()
        (root / name).write_text(SHOW_ARGUMENTS)
    (root / "config").mkdir()
    (root / "config/demo.yaml").touch()
    (root / "requirements.txt").touch()
    return root


def call(script: Path, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess:
    """Runs a script with this Python first on the PATH and no environment active."""
    environment = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "CONDA_PREFIX")}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    command = ["sh", str(script), *arguments]
    return subprocess.run(command, cwd=cwd or script.parent, env=environment, capture_output=True, text=True, timeout=60)


def use_fake_venv(project: Path, status: int) -> None:
    python = project / ".venv/bin/python"
    python.parent.mkdir(parents=True, exist_ok=True)
    python.write_text(FAKE_PYTHON.format(status=status))
    python.chmod(0o755)


@pytest.fixture
def base(project, monkeypatch):
    """A python3 whose environments are FAKE_PYTHON; `-m venv` fails where `project/full` is."""
    folder = project.parent / "base"
    folder.mkdir()
    (folder / "fake").write_text(FAKE_PYTHON.format(status=0))
    (folder / "python3").write_text(
        '#!/bin/sh\ncase "$*" in\n'
        "    *--lacking*) exit 1 ;;\n"
        '    "-m venv .venv") [ ! -e .venv/bin ] || exit 1; mkdir .venv/bin; [ ! -e full ] || exit 1\n'
        f'        cp "{folder}/fake" .venv/bin/python; chmod +x .venv/bin/python ;;\n'
        "    *requirements.txt) exit 1 ;;\n"
        "esac\n"
    )
    (folder / "python3").chmod(0o755)
    (folder / "python").symlink_to("python3")
    (project / "requirements.txt").write_text("no-such-package==1.0\n")
    return folder


def call_with(base: Path, project: Path) -> subprocess.CompletedProcess:
    environment = {"PATH": f"{base}:/usr/bin:/bin"}
    command = ["sh", "trains.sh", "config/demo.yaml"]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=60)


def test_an_environment_is_made_and_made_again_after_an_interruption(project, base):
    (project / "full").touch()
    assert "could not create .venv" in call_with(base, project).stderr
    (project / "full").unlink()
    (project / ".venv/notes.txt").write_text("mine")
    assert call_with(base, project).stdout == "trains -m training.train config/demo.yaml\n"
    assert (project / ".venv/notes.txt").read_text() == "mine" and (project / ".venv/.installed-requirements.txt").exists()
    (project / ".venv/bin/python").write_text("#!/bin/sh\nexit 1\n")  # broken later: what was installed is gone, too
    assert "installing requirements.txt" in call_with(base, project).stderr


def test_an_empty_folder_becomes_an_environment(project, base):
    (project / ".venv").mkdir()
    assert call_with(base, project).returncode == 0


@pytest.mark.parametrize("kind", ["folder", "link", "dangling link", "link to one made here", "file"])
def test_an_environment_that_was_not_made_here_is_left_as_it_is(project, base, kind):
    folder = project / (".venv" if kind == "folder" else "somebody's")
    if "dangling" not in kind:
        (folder / "bin").mkdir(parents=True)
        (folder / "bin/python").write_text("#!/bin/sh\nexit 1\n")
        (folder / "notes.txt").write_text("mine")
    if kind == "link to one made here":
        (folder / ".made-by-setup").touch()
    if "link" in kind:
        (project / ".venv").symlink_to(folder)
    if kind == "file":
        (project / ".venv").write_text("mine")
    before = sorted(project.rglob("*"))
    result = call_with(base, project)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert "move it away" in result.stderr and sorted(project.rglob("*")) == before


def test_environment_yml_names_the_versions_of_requirements_txt():
    pins = requirements.read_pins(ROOT / "requirements.txt")
    pins["faiss-gpu"] = pins.pop("faiss-cpu")
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    from_pip = next(entry["pip"] for entry in dependencies if isinstance(entry, dict))
    from_conda = [entry for entry in dependencies if isinstance(entry, str)]
    named = dict(entry.split("==") for entry in from_pip)
    named |= dict(entry.split("=") for entry in from_conda if "=" in entry)
    assert {name: named.get(name) for name in pins} == pins
    assert set(named) - set(pins) == {"python", "cuda-version"}


@pytest.mark.parametrize(
    ("version", "numbers"),
    [
        ("2.13.0+cpu", (2, 13)),
        ("2.13.0a0+git1", (2, 13)),
        ("4.4.0.post1", (4, 4)),
        ("4.12.0.88", (4, 12, 0, 88)),
        ("x", ()),
    ],
)
def test_release(version, numbers):
    assert requirements.release(version) == numbers


@pytest.mark.parametrize(
    ("pin", "installed", "lines"),
    [
        ("torch==2.13.0", {"torch": "2.13.0+cpu"}, []),
        ("torch==2.13.0", {"torch": "2.14"}, []),
        ("torch==2.13.0", {"torch": "2.9.1"}, ["torch==2.13.0: torch 2.9.1"]),
        ("torch==2.13.0", {}, ["torch==2.13.0: not installed"]),
        ("faiss-cpu==1.15.1", {"faiss-gpu-cu12": "1.15.1"}, []),
        ("faiss-cpu==1.15.1", {"faiss": "1.9.0"}, ["faiss-cpu==1.15.1: faiss 1.9.0"]),
        ("opencv-python-headless==4.12.0.88", {"opencv-python": "4.13.0.90"}, []),
    ],
)
def test_unsatisfied(monkeypatch, tmp_path, pin, installed, lines):
    def version(name):
        if name not in installed:
            raise requirements.metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(requirements.metadata, "version", version)
    file = tmp_path / "requirements.txt"
    file.write_text(f"# why\n\n{pin}  # because\n")
    assert requirements.unsatisfied(requirements.read_pins(file)) == lines


def test_requirements_command(tmp_path):
    def check(text):
        (tmp_path / "pins.txt").write_text(text)
        command = [sys.executable, str(ROOT / "utils/requirements.py"), str(tmp_path / "pins.txt"), "--verbose"]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert check("pytest==1.0\n").returncode == 0
    missing = check("pytest==1.0\nno-such-package==1.0\n")
    assert (missing.returncode, missing.stdout) == (1, "no-such-package==1.0: not installed\n")
    malformed = check("pytest>=1.0\n")
    assert malformed.returncode == 1 and "pins.txt:1: expected name==version" in malformed.stderr


def test_no_module_beside_requirements_py_hides_the_standard_library():
    """Python puts the folder of a script first on its path: utils/random.py would break the check everywhere."""
    assert not {path.stem for path in (ROOT / "utils").glob("*.py")} & set(sys.stdlib_module_names)


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_is_valid_sh(script):
    subprocess.run(["sh", "-n", str(ROOT / script)], check=True)


def test_trains_without_recipe_prepares_and_trains_the_demo(project, tmp_path):
    result = call(project / "trains.sh", "training.epochs=1", cwd=tmp_path)
    assert result.stdout.splitlines() == ["data.prepare demo", "training.train config/demo.yaml training.epochs=1"]
    (project / "datasets/demo/test").mkdir(parents=True)
    assert call(project / "trains.sh").stdout.splitlines() == ["training.train config/demo.yaml"]
    assert not (project / ".venv").exists()


def test_trains_takes_a_recipe_from_where_it_is_called(project, tmp_path):
    (tmp_path / "mine.yaml").touch()
    result = call(project / "trains.sh", "mine.yaml", "name=a b", cwd=tmp_path)
    assert result.stdout.splitlines() == [f"training.train {tmp_path}/mine.yaml name=a b"]


@pytest.mark.parametrize(("script", "argument"), [("trains.sh", "no.yaml"), ("trains.sh", "demo"), ("evals.sh", "runs/no")])
def test_a_wrong_argument_is_one_line_and_status_2(project, script, argument):
    result = call(project / script, argument)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert argument in result.stderr


def test_exit_status_of_the_command_passes_through(project):
    (project / "training/train.py").write_text("raise SystemExit(7)")
    assert call(project / "trains.sh").returncode == 7


def test_evals_without_a_run_is_one_line_and_status_2(project):
    (project / "runs/stopped early/checkpoints").mkdir(parents=True)
    result = call(project / "evals.sh")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "evals.sh: no run with a checkpoint in runs/; train one: sh trains.sh\n"


def test_evals_takes_the_newest_run_or_the_named_one(project):
    for age, name in enumerate(("c", "a new", "b")):
        checkpoint = project / "runs" / name / "checkpoints/last.safetensors"
        checkpoint.parent.mkdir(parents=True)
        checkpoint.touch()
        # "a new" is the newest, neither first nor last by name of folder or by time of writing.
        os.utime(checkpoint, (0, 1000 if name == "a new" else age))
    assert call(project / "evals.sh").stdout == "eval.evaluate --run runs/a new\n"
    assert call(project / "evals.sh", "runs/b", "x", "y").stdout == "eval.evaluate --run runs/b --areas x y\n"
    assert call(project / "evals.sh", "--json", "f").stdout == "eval.evaluate --run runs/a new --json f\n"


def test_installs_once_and_again_after_failure_or_change(project):
    (project / "requirements.txt").write_text("no-such-package==1.0\n")
    log = project / "installed"

    use_fake_venv(project, status=1)
    failed = call(project / "trains.sh", "config/demo.yaml")
    assert failed.returncode == 2 and failed.stderr.endswith("call again to continue\n")
    assert not (project / ".venv/.installed-requirements.txt").exists()

    use_fake_venv(project, status=0)
    assert call(project / "trains.sh").stdout == "trains -m training.train config/demo.yaml\n"
    assert len(log.read_text().splitlines()) == 2
    assert call(project / "trains.sh").stderr == ""
    assert len(log.read_text().splitlines()) == 2

    (project / "requirements.txt").write_text("no-such-package==1.1\n")
    call(project / "trains.sh")
    assert len(log.read_text().splitlines()) == 3


def test_tests_does_not_install_into_a_foreign_python(project):
    (project / "requirements-dev.txt").write_text("no-such-package==1.0\n")
    result = call(project / "tests.sh")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1 and "-m pip install -r requirements-dev.txt" in result.stderr


@pytest.fixture
def foreign(project, monkeypatch):
    """Activates an environment that has what `requirements.txt` pins except the named packages; `foreign(*names)`."""

    def make(*lacking: str) -> None:
        pins = {"torch": "2.13.0", "matplotlib": "3.10.9", "pandas": "2.3.3"}
        (project / "requirements.txt").write_text("".join(f"{name}=={pin}\n" for name, pin in pins.items()))
        (project / "sitecustomize.py").write_text(
            "from importlib import metadata\n"
            f"installed = { {name: pin for name, pin in pins.items() if name not in lacking} }\n"
            "def version(name):\n"
            "    if name not in installed: raise metadata.PackageNotFoundError(name)\n"
            "    return installed[name]\n"
            "metadata.version = version\n"
        )
        monkeypatch.setenv("PYTHONPATH", str(project))

    return make


def test_torch_is_not_installed_again_for_want_of_a_package(project, foreign):
    """An environment with torch is never left for a new .venv: what few commands need is noted, what all need is said."""
    foreign("matplotlib")
    used = call(project / "trains.sh", "config/demo.yaml", "name=a")
    assert used.returncode == 0 and "training.train config/demo.yaml name=a" in used.stdout
    assert used.stderr.count("\n") == 1 and "-m pip install matplotlib==3.10.9" in used.stderr
    foreign("matplotlib", "pandas")
    refused = call(project / "trains.sh", "config/demo.yaml")
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert refused.stderr.endswith("pip install matplotlib==3.10.9 pandas==2.3.3\n") and "torch==" not in refused.stderr
    assert not (project / ".venv").exists()
    foreign()
    assert call(project / "trains.sh", "config/demo.yaml").stderr == ""


def test_without_torch_or_with_a_finished_venv_it_is_the_venv(project, foreign):
    for lacking in (("torch",), ("torch", "matplotlib")):
        foreign(*lacking)
        use_fake_venv(project, status=0)
        assert call(project / "trains.sh").stdout.endswith("trains -m training.train config/demo.yaml\n")
    foreign("pandas")  # the stamp of the installation above is there
    assert call(project / "trains.sh").stdout.endswith("trains -m training.train config/demo.yaml\n")


def test_a_python_of_the_system_gets_an_environment_on_top(monkeypatch, tmp_path):
    (tmp_path / "EXTERNALLY-MANAGED").touch()
    monkeypatch.setattr(requirements.sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setattr(requirements.sys, "prefix", sys.base_prefix)
    assert "-m venv --system-site-packages .venv" in requirements.installer()
    monkeypatch.setattr(requirements.sys, "prefix", str(tmp_path))  # within an environment
    assert requirements.installer() == f"{sys.executable} -m pip install"
