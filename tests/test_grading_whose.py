"""Whose a file is: the names that platforms really write, against three kinds of class lists."""

import time
import timeit

import pytest

from grading import platforms
from grading.identity import decide
from grading.roster import Student

EX = "ex02_output_size"
# As a Moodle worksheet gives it: with the numbers of this assignment.
MOODLE = [
    Student("11101", "Ada Lovelace", "ada@example.org", number="moodle 5"),
    Student("11102", "Bob Miller", "bmiller@example.org", number="moodle 6"),
    Student("11103", "Gus Van Sant", "gus@example.org", number="moodle 7"),
    Student("11104", "Eve O'Neill", "eve@example.org", number="moodle 8"),
    Student("11105", "Jörg Müller-Lüdenscheidt", "joerg@example.org", number="moodle 9"),
    Student("11106", "Wei Li", "wei.li@example.org", number="moodle 10"),
    Student("11107", "Wei Li", "wei.li.2@example.org", number="moodle 11"),
    Student("11108", "Maria Garcia", "maria@example.org", number="moodle 12"),
    Student("11109", "Maria Garcia Lopez", "mgl@example.org", number="moodle 13"),
    Student("11110", "Sukarno", "sukarno@example.org", number="moodle 14"),
    Student("11111", "王小明", "wang@example.org", number="moodle 15"),
    Student("11112", "Ana Silva Costa", "ana@example.org", number="moodle 16"),
]
# As Canvas' gradebook gives it: with users and Canvas' own numbers.
CANVAS = [
    student._replace(
        user=student.email.split("@")[0],
        number=f"canvas {20_000 + at}",
        first=student.name.rpartition(" ")[0],
        last=student.name.rpartition(" ")[2],
    )
    for at, student in enumerate(MOODLE, start=1)
]
CANVAS[2] = CANVAS[2]._replace(first="Gus", last="Van Sant")
CANVAS[11] = CANVAS[11]._replace(first="Ana", last="Silva Costa")
# As somebody types it: ids that are numbers or words, and parts of e-mails that are names.
TYPED = [
    Student("1", "Hal Jordan", "hjordan@example.org"),
    Student("2", "Jordan Smith", "jordan@example.org"),
    Student("3", "Cy Twombly", "cy@example.org"),
    Student("max", "Max Mustermann", "max@example.org"),
    Student("mmuller", "Max Müller", "mm@example.org"),
    Student("doe", "Jane Doe", "jane@example.org"),
    Student("jdoe2", "John Doe", "doe@example.com"),
    Student("ann1", "Ann Doe", "ann@example.org"),
    Student("final", "Flo Nal", "flo@example.org"),
    Student("56", "Zed Zola", "zed@example.org"),
    Student("j_doe", "Jim Doerr", "jim@example.org"),
    Student("octo-cat", "Olga Catalan", "olga@example.org"),
]
# Whose names hold words of every export, commas and dashes.
ODD = [
    Student("s1", "Tom Copy", "tom@example.org"),
    Student("s2", "Sam Late", "late@example.org"),
    Student("s3", "Martin Luther King, Jr.", "mlk@example.org"),
    Student("s4", "Mary Lee", "lee@example.org"),
    Student("s5", "Anna-Mary Lee", "anna.lee@example.org"),
    Student("jürgen", "Jürgen Weiß", "j_w@example.org"),
    Student("s7", "İpek Işık", "ipek@example.org"),
]
ROSTERS = {"moodle": MOODLE, "canvas": CANVAS, "typed": TYPED, "odd": ODD}

# Each export with the files in it, and for each whose it is, or a part of the reason why not.
NOBODY, SEVERAL, DIFFERENT = "nobody's on the class list", "students are called", "different people"
EXPORTS = {
    ("Moodle, folders", "moodle"): {
        "Ada Lovelace_5_assignsubmission_file_/ex02.ipynb": "11101",
        "Gus Van Sant_7_assignsubmission_file_/ex02_11102.ipynb": "11103",
        "Eve O'Neill_8_assignsubmission_file_/Bob Miller ex02.ipynb": "11104",
        "Jörg Müller-Lüdenscheidt_9_assignsubmission_file/ex02.ipynb": "11105",
        "Wei Li_10_assignsubmission_file_/ex02.ipynb": "11106",
        "Wei Li_11_assignsubmission_file_/ex02.ipynb": "11107",
        "Maria Garcia_12_assignsubmission_file_/ex02.ipynb": "11108",
        "Maria Garcia Lopez_13_assignsubmission_file_/ex02.ipynb": "11109",
        "Sukarno_14_assignsubmission_file_/ex02.ipynb": "11110",
        "王小明_15_assignsubmission_file_/ex02.ipynb": "11111",
        "Ana Silva Costa_16_assignsubmission_onlinetext/onlinetext.html": "11112",
        "Bob Miller_5_assignsubmission_file_/ex02.ipynb": "its number is 11101's",
        "Bob Miller_99_assignsubmission_file_/ex02.ipynb": "its number is nobody's",
    },
    ("Moodle, flat", "moodle"): {
        "Ada Lovelace_5_assignsubmission_file_Bob Miller_6_assignsubmission_file_x.ipynb": "11101",
        "Bob Miller_6_assignsubmission_file_ex02.ipynb": "11102",
        "Bob Miller_6_assignsubmission_onlinetext_onlinetext.html": "11102",
    },
    ("Moodle, blind", "moodle"): {
        "Participant_9_assignsubmission_file_/ex02.ipynb": "11105",
        "Participant_500001_assignsubmission_file_/Ada Lovelace.ipynb": NOBODY,
        "Participant_500002_assignsubmission_file_/11102.ipynb": NOBODY,
    },
    ("Moodle, teams", "canvas"): {
        "Team A-Ada Lovelace_501_assignsubmission_file_/ex02.ipynb": "11101",
        "Team B-Jörg Müller-Lüdenscheidt_502_assignsubmission_file_/ex02.ipynb": "11105",
        "Team-C-Gus Van Sant_503_assignsubmission_file_/ex02.ipynb": "11103",
        "Team-C-Una Known_504_assignsubmission_file_/Bob Miller.ipynb": NOBODY,
    },
    ("Moodle, names with dashes", "odd"): {
        "Anna-Mary Lee_1_assignsubmission_file_/ex02.ipynb": "s5",
        "Mary Lee_2_assignsubmission_file_/ex02.ipynb": "s4",
        "Eva-Mary Lee_3_assignsubmission_file_/ex02.ipynb": NOBODY,
        "Martin Luther King, Jr._4_assignsubmission_file_/ex02.ipynb": "s3",
        "Sam Late_5_assignsubmission_file_/Tom Copy.ipynb": "s2",
        "I\u0307pek Işık_6_assignsubmission_file_/ex02.ipynb": "s7",
    },
    ("names as systems write them", "odd"): {
        "Tom Copy/ex02.ipynb": "s1",
        "Copy of Sam Late.ipynb": NOBODY,
        "King, Jr., Martin Luther/ex02.ipynb": "s3",
        "ju\u0308rgen/ex02.ipynb": "jürgen",
        "mal_lee@example.org.ipynb": NOBODY,
        "anna.lee@example.org_ex02.ipynb": "s5",
        "ipek (1).ipynb": "s7",
    },
    ("an e-mail behind the exercise", "odd"): {"ex02_j_w@example.org.ipynb": "jürgen"},
    ("Moodle, a list without numbers", "typed"): {
        "Hal Jordan_5_assignsubmission_file_/ex02_output_size.ipynb": "1",
        "Max Müller_6_assignsubmission_file_/ex02.ipynb": "mmuller",
        "Max Mustermann_7_assignsubmission_file_/ex02.ipynb": "max",
        "John Doe_56_assignsubmission_file_/ex02.ipynb": "jdoe2",
        "Ann Doe_8_assignsubmission_file_/with cy twombly.ipynb": "ann1",
        "Ann-Marie Neil_9_assignsubmission_file_/ex02.ipynb": NOBODY,
        "Cy Twombly_10_assignsubmission_file_/Exercise 2.ipynb": "3",
        "Jane Doe_11_assignsubmission_file_/ex02_final.ipynb": "doe",
    },
    ("Canvas", "canvas"): {
        "lovelaceada_20001_900001_ex02-11102.ipynb": "11101",
        "millerbob_LATE_20002_900002_ex02.ipynb": "11102",
        "vansantgus_20003_900003_ex02-2.ipynb": "11103",
        "oneilleve_20004_900004_ex02.ipynb": "11104",
        "müllerlüdenscheidtjörg_20005_900005_ex02.ipynb": "11105",
        "liwei_20006_900006_ex02.ipynb": "11106",
        "garcialopezmaria_20009_900009_ex02.ipynb": "11109",
        "sukarno_20010_900010_ex02.ipynb": "11110",
        "silvacostaana_20012_900012_ex02.ipynb": "11112",
        "王小明_20011_text.html": "11111",
        "lovelaceada_20002_900013_ex02.ipynb": "its name is 11101's",
    },
    ("Canvas, anonymous", "canvas"): {
        "anon_x7Gp2_900001_ex02.ipynb": NOBODY,
        "anon_y8Hq3_900002_millerbob_20002_900009_ex02.ipynb": NOBODY,
        "LATE_anon_z9Ir4_900003_ex02.ipynb": NOBODY,
    },
    ("Blackboard", "typed"): {
        "Exercise 2_jdoe2_attempt_2026-05-04-10-00-00_ex02.ipynb": "jdoe2",
        "Exercise 2_jdoe2_attempt_2026-05-04-10-00-00.txt": "jdoe2",
        "Exercise 2_jdoe2_attempt_2026-05-05-10-00-00_max.ipynb": "jdoe2",
        "Exercise 2_max_attempt_2026-05-04-11-00-00_a_doe_attempt_2026-05-04-11-00-00_b.ipynb":
            "max",
        "Exercise 2_j_doe_attempt_2026-05-04-12-00-00_ex02.ipynb": "j_doe",
        "Exercise 2_nobody9_attempt_2026-05-04-12-00-00_doe.ipynb": NOBODY,
    },
    ("ILIAS", "typed"): {
        "Exercise 2/Submissions/Doe_Jane_doe_4711/20260504102400_max.ipynb": "doe",
        "Exercise 2/Submissions/Müller_Max_mmuller_4712/20260504102400_ex02.ipynb": "mmuller",
        "Exercise 2/Submissions/Neu_Nina_nneu_4713/20260504102400_Hal Jordan.ipynb": NOBODY,
    },
    ("Brightspace", "typed"): {
        "152711-351765 - John Doe - May 18, 2026 1224 PM/ex02.ipynb": "jdoe2",
        "152712-351765 - Max Müller - May 18, 2026 924 AM/Jane Doe.ipynb": "mmuller",
        "152713-351765 - Una Known - May 18, 2026 924 AM/Jane Doe.ipynb": NOBODY,
    },
    ("Sakai", "typed"): {
        "Exercise 2/Doe, Jane(doe)/Submission attachment(s)/ex02.ipynb": "doe",
        "Exercise 2/Smith, Jordan(2)/Submission attachment(s)/Hal Jordan.ipynb": "2",
    },
    ("Google Classroom", "typed"): {
        "Exercise 2/Cy Twombly - ex02 (2).ipynb": "3",
        "Exercise 2/Hal Jordan - ex02 Jordan Smith.ipynb": "1",
        "Exercise 2/Una Known - Max Müller.ipynb": NOBODY,
        "Exercise 2/John Doe - Copy of ex02_output_size.ipynb": "jdoe2",
    },
    ("Drive", "typed"): {
        "Copy of ex02_output_size - Max Müller.ipynb": "mmuller",
        "Copy of ex02_output_size.ipynb": NOBODY,
        "ex02_output_size (1).ipynb": NOBODY,
        "exercise 2.ipynb": NOBODY,
        "ex02_final.ipynb": NOBODY,
        "56.ipynb": NOBODY,
    },
    ("Teams", "typed"): {
        "Submitted files/Cy Twombly/Exercise 2/Version 2/ex02.ipynb": "3",
        "Submitted files/Cy Twombly/Exercise 2/Version 10/ex02.ipynb": "3",
        "Submitted files/Hal Jordan/Exercise 2/Version 1/Jordan Smith.ipynb": "1",
        "Submitted files/Una Known/Exercise 2/Version 1/Jane Doe.ipynb": NOBODY,
    },
    ("GitHub Classroom", "typed"): {
        "ex02-submissions/ex02-octo-cat/exercises/release/ex02/ex02.ipynb": "octo-cat",
        "ex02-submissions/ex02-jdoe2/exercises/release/ex02/max.ipynb": "jdoe2",
        "ex02-submissions/ex02-unknown-cat/exercises/release/ex02/max.ipynb": NOBODY,
    },
    ("nbgrader", "moodle"): {
        "submitted/11101/ex02_output_size/ex02_output_size.ipynb": "11101",
        "submitted/11102/ex02_output_size/Ada Lovelace.ipynb": "11102",
        "submitted/99999/ex02_output_size/Gus Van Sant.ipynb": NOBODY,
    },
    ("plain folders", "moodle"): {
        "Ada Lovelace/ex02.ipynb": "11101",
        "Miller, Bob/11103.ipynb": "11102",
        "mallory/Eve O'Neill.ipynb": NOBODY,
        "wei.li.2@example.org/ex02.ipynb": "11107",
        "Wei Li/ex02.ipynb": SEVERAL,
        "11105.zip/ex02.ipynb": "11105",
        "Lopez/ex02.ipynb": NOBODY,
    },
    ("files by hand", "moodle"): {
        "ex02_11101.ipynb": "11101",
        "Bob Miller ex02.ipynb": "11102",
        "ex02 Maria Garcia Lopez (1).ipynb": "11109",
        "ex02 maria garcia.ipynb": "11108",
        "Lovelace.ipynb": NOBODY,
        "111015.ipynb": NOBODY,
        "Gus Van Sant and Eve O'Neill.ipynb": NOBODY,
        "wei.li.2@example.org ex02.ipynb": "11107",
        "my ex02 sukarno final.ipynb": "11110",
    },
    ("two names of one student", "moodle"): {
        "Bob Miller.ipynb": DIFFERENT,
        "11102.ipynb": DIFFERENT,
        "Ada Lovelace.ipynb": "11101",
        "Ada Lovelace (1).ipynb": "11101",
    },
    ("the number of an exercise", "typed"): {
        "exercises/2/Cy Twombly.ipynb": "names 3",
        "exercises/3/ex02.ipynb": "3",
    },
}  # fmt: skip
GRADESCOPE = b"""---
submission_9001:
  :submitters:
  - :name: Ada Lovelace
    :sid: '11101'
    :email: ada@example.org
  :created_at: !ruby/object:ActiveSupport::TimeWithZone
    utc: 2026-05-04 10:00:00.000000000 Z
submission_9002:
  :submitters:
  - :name: Bob Miller
    :sid: ''
    :email: bmiller@example.org
  - :name: Eve O'Neill
    :sid: '11104'
    :email: ''
  :created_at: 2026-05-04 10:24:00.000000000 Z
submission_9003:
  :submitters:
  - :name: Una Known
    :sid: '7'
    :email: una@example.org
submission_9004:
  :submitters:
  - :name: Ada Lovelace
    :sid: '11102'
    :email: ''
"""


def asked():
    for (export, roster), files in EXPORTS.items():
        for file, expected in files.items():
            yield pytest.param(export, roster, file, expected, id=f"{export}: {file}"[:90])


@pytest.mark.parametrize("export, roster, file, expected", asked())
def test_a_name_is_its_student_or_nobody_and_why(export, roster, file, expected):
    students = ROSTERS[roster]
    whose = decide(EXPORTS[export, roster], students, EX)[file]
    if expected in {student.id for student in students}:
        assert whose.known, whose.why
        assert [student.id for student in whose.students] == [expected]
    else:
        assert not whose.known and expected in whose.why


def test_the_table_is_large_enough():
    assert sum(map(len, EXPORTS.values())) >= 60
    assert len({export.split(",")[0] for export, _ in EXPORTS}) >= 10


def test_files_of_one_identity_belong_together_and_others_do_not():
    files = EXPORTS["Moodle, blind", "moodle"]
    assert len({whose.key for whose in decide(files, MOODLE, EX).values()}) == 3
    files = EXPORTS["Blackboard", "typed"]
    keys = [whose.key for path, whose in decide(files, TYPED, EX).items() if "jdoe2" in path]
    assert len(set(keys)) == 1
    both = ["Exercise 2_j_doe_attempt_2026-05-04-12-00-00_x.ipynb",
            "Exercise 2_k_doe_attempt_2026-05-04-12-00-00_x.ipynb"]  # fmt: skip
    assert len({whose.key for whose in decide(both, [], EX).values()}) == 2


def test_gradescope_s_own_list_says_who_handed_in():
    folders = platforms.read_gradescope(GRADESCOPE)
    files = [f"assignment_1_export/submission_900{number}/Eve.ipynb" for number in range(1, 6)]
    found = list(decide(files, MOODLE, EX, folders).values())
    ids = [[student.id for student in whose.students] if whose.known else [] for whose in found]
    assert ids == [["11101"], ["11102", "11104"], [], [], []]
    assert found[1].time == 1777890240.0
    assert "Una Known" in found[2].why and "Ada Lovelace" in found[3].why
    assert len({whose.key for whose in found}) == 5
    assert platforms.read_gradescope(b"\xff{[") == platforms.read_gradescope(b"- a") == {}


DISPLACERS = {
    "by the id in the name": "Mal Lory_66_assignsubmission_file_/11101.ipynb",
    "by the name": "Mal Lory_66_assignsubmission_file_/Ada Lovelace.ipynb",
    "by e-mail and a late time": "Mal Lory_66_assignsubmission_file_/ada@example.org 2099.ipynb",
    "by Moodle's form": (
        "Mal Lory_66_assignsubmission_file_/Ada Lovelace_5_assignsubmission_file_/ex02.ipynb"
    ),
    "by Canvas' form": "Mal Lory_66_assignsubmission_file_/lovelaceada_20001_9_ex02.ipynb",
    "by Blackboard's form": (
        "Mal Lory_66_assignsubmission_file_/Exercise 2_11101_attempt_2099-01-01-00-00-00_x.ipynb"
    ),
    "by a zip": "Mal Lory_66_assignsubmission_file_/Ada Lovelace.zip/Ada Lovelace/ex02.ipynb",
    "by a deep folder": "Mal Lory_66_assignsubmission_file_/a/b/11101/ex02_output_size/x.ipynb",
    "by Sakai's form": "Mal Lory_66_assignsubmission_file_/Lovelace, Ada(11101)/x.ipynb",
    "by Gradescope's list": "Mal Lory_66_assignsubmission_file_/submission_9001/ex02.ipynb",
    "flat": "Mal Lory_66_assignsubmission_file_Ada Lovelace_5_assignsubmission_file_x.ipynb",
    "in a plain folder": "mallory/Ada Lovelace.ipynb",
    "in a plain zip": "mallory.zip/Ada Lovelace/ex02.ipynb",
    "in a clone": "ex02-submissions/ex02-mallory/Ada Lovelace.ipynb",
}


@pytest.mark.parametrize("attempt", DISPLACERS)
def test_nobody_displaces_another_by_a_name(attempt):
    file = DISPLACERS[attempt]
    if "assignsubmission" in file:
        honest = ["Ada Lovelace_5_assignsubmission_file_/ex02.ipynb",
                  "Bob Miller_6_assignsubmission_file_/ex02.ipynb"]  # fmt: skip
    elif "ex02-submissions" in file:
        honest = ["ex02-submissions/ex02-11101/ex02.ipynb",
                  "ex02-submissions/ex02-11102/ex02.ipynb"]  # fmt: skip
    else:
        honest = ["11101/ex02.ipynb", "11102/ex02.ipynb"]
    gradescope = platforms.read_gradescope(GRADESCOPE)
    found = decide([*honest, file], MOODLE, EX, gradescope)
    assert [found[path].students[0].id for path in honest if found[path].known] == [
        "11101",
        "11102",
    ]
    assert not found[file].known


# What nobody's own work holds: alone where a platform's form tells it, or beside Bob Miller's.
NAMES_INSIDE = {
    "plain folders": [
        "Bob Miller/a.ipynb",
        "mallory/Ada Lovelace/a.ipynb",
        "mallory/11103/a.ipynb",
    ],
    "clones": [
        "ex02-submissions/ex02-bmiller/Bob Miller.ipynb",
        "ex02-submissions/ex02-mallory/11101/a.ipynb",
        "ex02-submissions/ex02-mallory/11103/a.ipynb",
    ],
    "one clone": ["ex02-submissions/ex02-mallory/11101/a.ipynb"],
    "nbgrader": ["submitted/mallory/11101/a.ipynb", "submitted/mallory/11102/a.ipynb"],
    "Teams": ["Submitted files/Mal Lory/11101/a.ipynb"],
    "ILIAS": ["Exercise 2/Submissions/Lory_Mal_mal_4713/20260504102400_a.zip/11101/a.ipynb"],
    "beside files": ["Bob Miller.ipynb", "mallory.zip/11101/a.ipynb", "mallory.zip/11103/a.ipynb"],
    "Google Classroom": [
        "Exercise 2/Bob Miller - ex02.ipynb",
        "Exercise 2/Mal Lory - ex02.zip/11101/a.ipynb",
    ],
    "Google Classroom, a file": [
        "Exercise 2/Bob Miller - ex02.ipynb",
        "Exercise 2/Mal Lory - x_11101_attempt_2020-01-01-00-00-00_a.ipynb",
    ],
    "Canvas": ["lorymal_66_9_x_11101_attempt_2020-01-01-00-00-00_a.ipynb"],
    "Brightspace": ["1-2 - Mal Lory - May 18, 2026 924 AM - lovelaceada_20001_9_a.ipynb"],
}


@pytest.mark.parametrize("export", NAMES_INSIDE)
def test_what_a_platform_wrote_first_decides(export):
    found = decide(NAMES_INSIDE[export], CANVAS, EX)
    known = [path for path, whose in found.items() if whose.known]
    assert known == [path for path in found if "Bob Miller" in path]


def test_the_name_of_the_whole_export_tells_whose_folders_are_in_it():
    assert not decide(["ex02-mallory/11101/a.ipynb"], MOODLE, EX, top="ex02-submissions")[
        "ex02-mallory/11101/a.ipynb"
    ].known


def test_folders_that_hold_folders_together_are_nobody_s_place():
    files = ["Group A/11101/a.ipynb", "Group B/11102/a.ipynb", "Group B/11103/a.ipynb"]
    assert all(whose.known for whose in decide(files, MOODLE, EX).values())


def test_what_lies_in_a_student_s_folder_says_nothing_of_the_whole_export():
    """Neither that Moodle put teams before names, nor what stands before users at Blackboard."""
    teams = [f"Team-{name}_50{at}_assignsubmission_file_/a.ipynb"
             for at, name in enumerate(("Ada Lovelace", "Gus Van Sant"))]  # fmt: skip
    inner = "Team-Bob Miller_9_assignsubmission_file_/Ada Lovelace_1_assignsubmission_file_/a.ipynb"
    assert all(whose.known for whose in decide([*teams, inner], CANVAS, EX).values())
    honest = "Ex 2_j_doe_attempt_2026-05-04-12-00-00_a.ipynb"
    forged = [
        f"Ex 2_doe_attempt_2026-05-04-12-00-00_a.zip/Ex 2_j_{user}_attempt_2026-05-04-12-00-00.txt"
        for user in ("max", "ann1", "final")
    ]
    assert [student.id for student in decide([honest, *forged], TYPED, EX)[honest].students] == [
        "j_doe"
    ]


def test_what_somebody_said_settles_it():
    files = ["Participant_500001_assignsubmission_file_/x.ipynb", "Lovelace.ipynb"]
    said = {files[0]: "11103", files[1]: "nobody"}
    found = decide(files, MOODLE, EX, settle=lambda found: said)
    assert found[files[0]].students[0].id == "11103" and found[files[0]].known
    assert not found[files[1]].known


def test_a_large_class_takes_no_time():
    students = [Student(f"s{at}", f"Student{at} Of{at}", f"s{at}@x.org") for at in range(1000)]
    files = [f"Student{at} Of{at}_{at}_assignsubmission_file_/x.ipynb" for at in range(1000)]
    assert sum(whose.known for whose in decide(files, students, EX).values()) == 1000

    def spent(count):
        """The least of three, in seconds of the processor: the first also fills what is cached."""
        return min(
            timeit.repeat(
                lambda: decide(files[:count], students[:count], EX),
                timer=time.process_time,
                number=1,
                repeat=3,
            )
        )

    # Linear, not quadratic: four times the class takes much less than sixteen times as long.
    assert spent(1000) < 12 * max(spent(250), 0.02)
