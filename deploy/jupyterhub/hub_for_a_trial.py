"""The configuration of the hub that `try_it.py` starts on this machine. Not for a class."""

import asyncio
import os
from pathlib import Path

FOLDER = Path(os.environ["TRIAL_FOLDER"])  # homes, database, logs
PYTHON = os.environ["TRIAL_PYTHON"]
PROXY = os.environ["TRIAL_PROXY"]
PORTS = [int(port) for port in os.environ["TRIAL_PORTS"].split()]


async def lay_the_course(spawner):
    """What `values.yaml` does after a student's server has started: pull, and lay the copies.

    There each pod does it for itself. Here the hub must not stand still meanwhile.
    """
    home = FOLDER / "homes" / spawner.user.name
    home.mkdir(parents=True, exist_ok=True)
    pull = [PYTHON, "-m", "nbgitpuller.pull", (FOLDER / "course.git").as_uri(), "trial", "course"]
    with open(FOLDER / "pull.log", "a") as log:
        for words in (pull, [PYTHON, "course/tools/work.py"]):
            process = await asyncio.create_subprocess_exec(*words, cwd=home, stdout=log, stderr=log)
            if await process.wait():
                raise RuntimeError(f"{words[1:3]} failed: see pull.log")


c = get_config()  # noqa: F821, JupyterHub gives it
c.JupyterHub.bind_url = f"http://127.0.0.1:{PORTS[0]}"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{PORTS[1]}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{PORTS[2]}"
c.ConfigurableHTTPProxy.command = [PROXY]
c.JupyterHub.db_url = f"sqlite:///{FOLDER}/hub.sqlite"
c.JupyterHub.cookie_secret_file = str(FOLDER / "cookie_secret")
c.ConfigurableHTTPProxy.pid_file = str(FOLDER / "proxy.pid")

# Whoever holds the trial's token is every student.
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.services = [{"name": "trial", "api_token": os.environ["TRIAL_TOKEN"]}]
c.JupyterHub.load_roles = [
    {
        "name": "trial",
        "services": ["trial"],
        "scopes": ["admin:users", "admin:servers", "access:servers"],
    }
]

# Processes in place of Kubernetes' pods: the same servers, but nothing holds one to its share.
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = str(FOLDER / "homes" / "{username}")
c.Spawner.pre_spawn_hook = lay_the_course
c.Spawner.cmd = [PYTHON, "-m", "jupyterhub.singleuser"]
c.Spawner.args = ["--KernelSpecManager.ensure_native_kernel=True", "--allow-root"]
c.Spawner.default_url = "/lab"
c.Spawner.start_timeout = c.Spawner.http_timeout = 1800
c.Spawner.env_keep = ["PATH", "LANG", "JUPYTER_PATH", "JUPYTER_CONFIG_PATH", "COURSE_DATA"]
# As in values.yaml: a student's share is two cores, however many the machine has.
c.Spawner.environment = {"TF_NUM_INTRAOP_THREADS": "2", "OMP_NUM_THREADS": "2"}
c.JupyterHub.concurrent_spawn_limit = 10
