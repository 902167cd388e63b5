"""Write a notebook as text that a person can compare: each cell's id, its source, its output.

    git config diff.notebook.textconv "python3 tools/notebook_text.py"

After this line `git diff` and `git log -p` show notebooks so (`.gitattributes` says which files).
Pictures stand there as their sizes and alt texts: a diff of their bytes tells nobody anything.
"""

import json
import sys


def text_of(output):
    """What an output says, in lines."""
    if output["output_type"] == "stream":
        return "".join(output["text"])
    if output["output_type"] == "error":
        return f"{output['ename']}: {output['evalue']}"
    data = output.get("data", {})
    pictures = [f"[{kind}, {len(data[kind])} bytes]" for kind in data if kind.startswith("image/")]
    return "\n".join([*pictures, "".join(data.get("text/plain", ""))])


def lines_of(notebook):
    for cell in notebook["cells"]:
        tags = " ".join(cell["metadata"].get("tags", []))
        yield f"===== {cell.get('id', '')} ({cell['cell_type']}) {tags}".rstrip()
        yield "".join(cell["source"])
        for output in cell.get("outputs", []):
            yield "----- output"
            yield text_of(output).rstrip("\n")


def main(names):
    """Print a notebook as text; the exit status is 0 or 1."""
    if len(names) != 1:
        print("notebook_text: give it the name of one notebook", file=sys.stderr)
        return 1
    try:
        with open(names[0], encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError as problem:
        print(f"notebook_text: {problem}", file=sys.stderr)
        return 1
    try:
        text = "\n".join(lines_of(json.loads(text)))
    except (ValueError, KeyError, TypeError):
        pass  # half a merge, say: as it is
    sys.stdout.reconfigure(encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
