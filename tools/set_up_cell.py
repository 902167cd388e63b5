# @title Set-up: run this cell first, and again after every restart { display-mode: "form" }
# Finds the course beside this notebook, above it or on a mounted Drive, or fetches it once, and
# starts TensorFlow without its log lines. It installs nothing.
import io
import sys
import tempfile
import zipfile
from pathlib import Path
from urllib.request import urlopen

ARCHIVE, VERSION = "", "0.2.0"
here, part = Path.cwd(), "course_utils/environment.py"
drives = [*Path("/content/drive").glob("*"), *Path("/content/drive").glob("*/*")]
places, target = [here, *here.parents, here / "course", *drives], here / "course"
course = next((place for place in places if (place / part).is_file()), None)
zips = [place / "course.zip" for place in places if (place / "course.zip").is_file()]
origin = zips[0].as_uri() if zips else ARCHIVE
hint = "open this notebook in a copy of the course, or put course.zip beside it"
try:
    if course is None and not origin:
        raise OSError(f"no course in {here} or above it, and it has no public address yet")
    if course is None and target.exists():
        hint = "give it another name"
        raise OSError(f"{target} is in the way: it is not this course")
    if course is None:
        hint = room = f"{here} must be yours to write in and have 100 MB free"
        with tempfile.TemporaryDirectory(prefix="course-", dir=here) as half_done:
            hint, content = "is the network there, and the address right?", b""
            with urlopen(origin, timeout=20) as stream:
                while chunk := stream.read(2**20):
                    content += chunk
                    print(f"\rFetching the course: {len(content) / 1e6:.0f} MB ", end="")
            hint = f"{origin} must be the whole course, and open to you"
            archive = zipfile.ZipFile(io.BytesIO(content))
            top = next(name for name in archive.namelist() if name.endswith(part))
            hint = room
            archive.extractall(half_done)
            course = Path(half_done, top.removesuffix(part)).rename(target)
    sys.path[:0] = [str(course)] * (str(course) not in sys.path)
    hint = "another course_utils has been imported: restart the kernel"
    from course_utils.environment import begin, quiet_tensorflow
except Exception as problem:
    words = str(problem) or "this archive has no course in it"
    raise RuntimeError(f"{words}. {hint}. Then run this cell again") from None

begin(VERSION)
quiet_tensorflow()
