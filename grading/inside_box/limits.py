"""What the process in the box may be and have, before anything of a notebook runs."""

import os
import resource

OPEN_FILES = 512


def become(user):
    """Be a user who may do nothing, where the grader is root; None: be who one is."""
    if user is not None:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)


def hold(memory, processes):
    """Hold this process, and each that it starts, to so many MB of data and so many processes."""
    for kind, most in (
        (resource.RLIMIT_DATA, memory * 1_000_000),
        (resource.RLIMIT_NPROC, 8 * processes),  # threads count, too
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 200_000_000),
    ):
        resource.setrlimit(kind, (most, most))
