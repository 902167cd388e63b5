"""What repo2docker, and so Binder, makes of a checkout: its own code is asked, nothing is built."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from repo2docker.app import Repo2Docker
from repo2docker.utils import chdir

ROOT = Path(__file__).parents[1]
PLATFORM = "linux/amd64"  # Binder's


@pytest.fixture(scope="module")
def tracked():
    """The paths that a host gets when it clones the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    names = [name for name in listed.stdout.split("\0") if (ROOT / name).is_file()]
    assert {"environment.yml", "postBuild", "requirements.lock"} <= set(names)
    return names


@pytest.fixture
def checkout(tracked, tmp_path):
    for name in tracked:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tmp_path / name)
    return tmp_path


def picked(checkout):
    """The first build pack that says the checkout is its own, as `Repo2Docker.build` asks them."""
    app = Repo2Docker(repo=str(checkout), dry_run=True, platform=PLATFORM)
    with chdir(checkout):
        for kind in app.buildpacks:
            pack = kind(base_image=app.base_image)
            if pack.detect():
                pack.platform = PLATFORM
                return pack
    return None


def test_conda_is_picked_with_the_tested_python_and_the_copies(checkout):
    pack = picked(checkout)
    assert type(pack).__name__ == "CondaBuildPack"
    with chdir(checkout):
        assert pack.environment_yaml_path == "environment.yml"
        assert pack.python_version == "3.12"
        # A Python for which it has a lock of its own: another one would not be built at all.
        assert "conda/environment.py-3.12-linux-64.lock" in pack.get_build_script_files()
        assert not pack.separate_kernel_env, "one environment for JupyterLab and the kernel"
        assert pack.get_post_build_scripts() == ["postBuild"]
        assert pack.get_start_script() is None, "there is none"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    supported = Requirement("python" + project["requires-python"]).specifier
    assert supported.contains(f"{pack.python_version}.0")


def test_the_image_is_made_in_an_order_that_works(checkout):
    """pip reads `requirements.lock`, so all files must be there before the packages are."""
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug"]
    command += [f"--Repo2Docker.platform={PLATFORM}", str(checkout)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()

    def place(words):
        (number,) = [number for number, line in enumerate(lines) if words in line]
        return number

    assert (
        place("COPY --chown=0:0 src/ ${REPO_DIR}/")
        < place('env update -p ${NB_PYTHON_PREFIX} --file "environment.yml"')
        < place("RUN chmod +x postBuild")
        < place("RUN ./postBuild")
    )


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("Dockerfile", "DockerBuildPack"),
        ("default.nix", "NixBuildPack"),
        ("DESCRIPTION", "RBuildPack"),
        ("binder/README.md", None),
        (".binder/requirements.txt", "PythonBuildPack"),
    ],
)
def test_what_would_hide_them_is_not_there(checkout, tracked, name, pack):
    """Each of these files in the root would be taken in the place of `environment.yml`."""
    assert name not in tracked
    (checkout / name).parent.mkdir(exist_ok=True)
    (checkout / name).write_text("Package: x\nVersion: 1.0\n" if name == "DESCRIPTION" else "")
    found = picked(checkout)
    assert (type(found).__name__ if found else None) == pack
