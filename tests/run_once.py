"""Of a class whose notebooks are alike, each different one is run once.

Whoever hands in has the same cases here. What is equal as it goes into a box, its cells and its
questions, comes from one box; reading, mending and judging are done for each. (Students with cases
and boxes of their own: `test_exercises.py` and `test_grading_hour.py`.)
"""

import copy
import json
from concurrent.futures import Future

from grading import papers, supervisor


def equal_boxes_once(patch):
    """Let equal notebooks share a box, until `patch` is undone."""
    run, kept = supervisor.run, {}

    def shared(notebook, requests, limits, box, forbidden=None, again=None):
        if again is None:  # no student's notebook: a network that is measured
            return run(notebook, requests, limits, box, forbidden)
        cells = [[cell["id"], cell["source"]] for cell in notebook["cells"]
                 if cell["cell_type"] == "code"]  # fmt: skip
        mine = Future()
        ran = kept.setdefault(json.dumps([cells, requests, limits, forbidden]), mine)
        if ran is mine:
            try:
                ran.set_result(run(notebook, requests, limits, box, forbidden, again))
            except BaseException as problem:
                ran.set_exception(problem)
        again(ran.result())  # it keeps in mind what was asked again
        return copy.deepcopy(ran.result())

    patch.setattr(papers.Papers, "whose", lambda self, question, student: "all")
    patch.setattr(supervisor, "run", shared)
