"""The grader, for instructors: from a folder of submissions to grades, feedback and a class report.

| module | what is in it |
| --- | --- |
| `questions` | what an exercise asks: parts, points, cases from a seed, known mistakes |
| `release` | from an exercise's source to what students get |
| `collect` | who handed in what, whatever the files are called |
| `repair` | from what a student sent to a notebook that can be run |
| `sandbox` | the box that a submission runs in |
| `groups`, `watch`, `system_calls` | a box's limits, and what it may ask the kernel |
| `inside_box` | the grader's half inside the box |
| `supervisor` | one notebook, run until every question is settled |
| `submission` | one submission, from its file to what it answered |
| `results` | what travels between them: a job, what came of it, the result |
| `judge` | compares answers with what is right, outside the box |
| `batch` | all submissions: in parallel, safe to interrupt and to run again |
| `gradebook` | nbgrader's database, where written answers get their points |
| `report`, `similar` | feedback, `grades.csv`, the page for the class; near-identical answers |
| `files` | what lies where in the instructor's folder |

`python -m grading --help` tells what can be done, `grading/README.md` how. Students never install
it; exercises need `course_utils.checks` only.
"""
