"""A plugin for pytest, read before all others, which does for its processes what `grading` does.

nbval imports `nbformat`, and that jsonschema with its grammars, before `conftest.py` is read.
"""

import sys

sys.modules.setdefault("rfc3987_syntax", None)
