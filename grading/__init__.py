"""The grader, for instructors: from a folder of submissions to grades, feedback and a class report.

| module | what is in it |
| --- | --- |
| `questions`, `source` | what an exercise asks, and its notebook as code |
| `papers` | what one student is asked: cases of their own, and a variant |
| `release`, `rehearsal` | from a source to what students get; the source tried on itself |
| `collect` | who handed in what: the notebook that counts, and what became of every file |
| `archives`, `platforms` | folders and zips, within limits; what platforms write into names |
| `identity`, `roster` | whose a file is, or why that is not known; class lists as they come |
| `matches` | what somebody says about unmatched work |
| `repair` | from what a student sent to a notebook that can be run |
| `sandbox` | the box that a submission runs in |
| `groups`, `watch`, `system_calls` | a box's limits, and what it may ask the kernel |
| `inside_box` | the grader's half inside the box |
| `supervisor` | one notebook, run until every question is settled |
| `submission` | one submission, from its file to what it answered |
| `results` | what travels between them: a job, what came of it, the result |
| `judge` | compares answers with what is right, outside the box |
| `competition` | exercise 10: networks that were handed in, measured, ranked and drawn |
| `examiner` | what a student is asked; from answers to a result |
| `batch` | all submissions: in parallel, safe to interrupt and to run again |
| `schedule` | due dates, penalties, and changes for everybody: `course.toml` |
| `gradebook` | nbgrader's database, where written answers get their points |
| `reports` | brings it together: `feedback`, `grades`, `class_page` by `pages` and `templates/` |
| `similar` | identical and near-identical work |
| `give_back` | what each platform takes back |
| `files` | what lies where in the instructor's folder |

`python -m grading --help` tells what can be done, `grading/README.md` how. Students never install
it; exercises need `course_utils.checks` only.
"""
