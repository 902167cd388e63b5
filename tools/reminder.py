"""After a restart the cells below the set-up cell fail: have the kernel say what to do.

    python tools/reminder.py        `make lab` calls it each time, and Binder once

It lies down in the environment whose Python runs it (`.venv`, or Binder's), as an extension of
IPython, and does nothing in notebooks that have no set-up cell. Where a cell of the course fails by
a name that is not there, and the set-up cell has not run in this kernel, one more line says so.
It needs nothing installed.
"""

import os
import shutil
import sys
import sysconfig
from pathlib import Path

NAME = "course_reminder"
CONFIG = f'c.InteractiveShellApp.extensions.append("{NAME}")  # tools/reminder.py of the course\n'
WORDS = (
    "The set-up cell at the top of this notebook has not run since the kernel was started. Run it, "
    "or all cells up to here: Run > Run All Above Selected Cell."
)


def load_ipython_extension(shell):
    """What IPython calls when a kernel starts."""
    shell.events.register("post_run_cell", remind)


def remind(result):
    """Say it, if a cell failed for want of the set-up cell."""
    if "course_utils" in sys.modules or not isinstance(
        result.error_in_exec, (NameError, ModuleNotFoundError)
    ):
        return
    here = Path.cwd()
    if has_set_up_cell() and any(
        (place / "course_utils" / "environment.py").is_file() for place in (here, *here.parents)
    ):
        print(WORDS, file=sys.stderr)


def has_set_up_cell():
    """Whether this kernel's notebook has one; taken for granted where nothing names the notebook.

    Jupyter's server gives the kernel that name; other editors do not.
    """
    try:
        text = Path(os.environ["JPY_SESSION_NAME"]).read_text(encoding="utf-8")
    except (KeyError, OSError, ValueError):
        return True
    return '"set-up"' in text  # the cell's id


def lie_down(prefix, packages):
    """Write the extension and the line that loads it into an environment."""
    shutil.copyfile(__file__, Path(packages, f"{NAME}.py"))
    config = Path(prefix, "etc", "ipython", "ipython_kernel_config.py")
    text = config.read_text(encoding="utf-8") if config.is_file() else ""
    if NAME not in text:
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(text + CONFIG, encoding="utf-8")


def main():
    own = sys.prefix != sys.base_prefix or Path(sys.prefix, "conda-meta").is_dir()
    if not own:  # the system's Python is not ours to change
        return 0
    try:
        lie_down(sys.prefix, sysconfig.get_path("purelib"))
    except OSError:
        pass  # an environment that cannot be written, then without a reminder
    return 0


if __name__ == "__main__":
    sys.exit(main())
