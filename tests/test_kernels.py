"""The kernels that tests start: a port that is lost to another program is no failed notebook."""

import socket

import nbclient
import nbformat
import nbval.kernel
import pytest
from jupyter_client.provisioning.local_provisioner import LocalPortCache


@pytest.fixture
def lost_ports(monkeypatch):
    """A list: as long as a port is left in it, a kernel is given one that is taken by then."""
    find = LocalPortCache.find_available_port
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        lost = [taken.getsockname()[1]]
        monkeypatch.setattr(
            LocalPortCache,
            "find_available_port",
            lambda cache, ip: lost.pop() if lost else find(cache, ip),
        )
        yield lost


def test_nbval_starts_a_kernel_again(lost_ports):
    with pytest.warns(match="started again"):
        manager, client = nbval.kernel.start_new_kernel()
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    assert not lost_ports


def test_a_notebook_is_run_again(lost_ports):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print(6 * 7)")])
    with pytest.warns(match="started again"):
        nbclient.NotebookClient(notebook, kernel_name="python3").execute()
    assert notebook.cells[0].outputs[0].text == "42\n"


def test_a_kernel_that_never_starts_is_a_failure(lost_ports):
    lost_ports *= 10  # a kernel takes five
    with pytest.warns(), pytest.raises(RuntimeError, match="died before replying"):
        nbval.kernel.start_new_kernel()
