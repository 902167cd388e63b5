# What can be done here: `make` alone lists it. Paths are relative, and programs are called as
# `python -m`, so that a folder whose name has spaces or accents is as good as any.

.DEFAULT_GOAL := help
SHELL := /bin/sh

# Yours to set: make lab PYTHON=/path/to/python3.12, make test ARGS="-k arithmetic".
PYTHON ?=
PYTHON_COLAB ?=
EXERCISE =
SUBMISSIONS =
ROSTER =
PLATFORM =
FOLDER = graded
ARGS =
LAB_ARGS =
RUN = lenet5_modern
URL =
HOST =
HUB =

# What lies in PYTHONPATH would hide the tested versions, and pip would take it for installed.
# Without compiled files, each of the many processes that tests start would compile the course.
unexport PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE

# In a container one is often root, and Jupyter wants to be told that this is meant.
AS_ROOT = $(if $(filter 0,$(shell id -u 2>/dev/null || true)),--allow-root)

VENV = .venv/bin/python
COLAB = .venv-colab/bin/python
NBVAL = --nbval-lax --nbval-current-env --nbval-cell-timeout=300
PYTEST = -m pytest -n 3 --dist loadscope --no-loadscope-reorder $(NBVAL)

# Runs tools/set_up.py with the first of some Pythons that works and that the course supports.
# When none fits, set_up.py itself says what is wrong with the first that works at all.
# $(1): the Pythons in order, $(2): the options, $(3): the sentence when nothing works.
define set_up
	@works=; \
	for python in $(1); do \
	  if "$$python" tools/set_up.py --fits $(2) 2>/dev/null; then works=$$python; break; fi; \
	  if "$$python" -c "" 2>/dev/null; then works=$${works:-$$python}; fi; \
	done; \
	if [ -z "$$works" ]; then echo "set-up: $(3)" >&2; exit 1; fi; \
	"$$works" tools/set_up.py $(2)
endef

# Runs a tool that needs nothing installed, with the first Python that fits.
define run
	@for python in $(PYTHONS); do \
	  if "$$python" tools/set_up.py --fits 2>/dev/null; then exec "$$python" $(1); fi; \
	done; echo "set-up: $(NO_PYTHON)" >&2; exit 1
endef

# pyenv's Pythons do not run by name before they are chosen, so they are looked for where they lie.
PYENV = $${PYENV_ROOT:-$$HOME/.pyenv}/versions
PYTHONS = $(if $(PYTHON),"$(PYTHON)",.venv/bin/python python3 python3.13 python3.12 python3.11 \
  $(PYENV)/3.1[123].*/bin/python)
PYTHONS_COLAB = $(if $(PYTHON_COLAB),"$(PYTHON_COLAB)",.venv-colab/bin/python python3.13 python3 \
  $(PYENV)/3.13.*/bin/python)
NO_PYTHON = $(if $(PYTHON),$(PYTHON) does not run: give the path of a Python 3.11 to 3.13,no \
  Python 3 works here: install Python 3.12 from python.org or your system packages, or name one: \
  make lab PYTHON=/path/to/python3.12)
NO_COLAB = Colab has Python 3.13 and none works here: install it, or name one: make test-colab \
  PYTHON_COLAB=/path/to/python3.13

# pictures/ is a folder, too.
.PHONY: help lab test quick test-colab notebooks pictures record speedrun release grade review report give-back bench site zip links address format lock clean

help: ## list what can be done
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' Makefile | awk -F '|' '{ printf "%-16s %s\n", $$1, $$2 }'

# The address that JupyterLab prints leads to the first notebook, too, where no browser opens.
LAB = -m jupyterlab --ServerApp.root_dir=. --LabApp.news_url=None \
  --LabApp.default_url=/lab/tree/work/notebooks/00_start_here.ipynb

lab: ## set up what is missing, lay copies to work in, open JupyterLab on the first
	$(call set_up,$(PYTHONS),--extras lab,$(NO_PYTHON))
	@$(VENV) tools/work.py
	@$(VENV) tools/reminder.py
	@$(VENV) $(LAB) $(AS_ROOT) $(LAB_ARGS)

test: ## set up what is missing, then run every test (some: make test ARGS="-k pooling")
	$(call set_up,$(PYTHONS),--extras lab$(comma)test$(comma)grading$(comma)site,$(NO_PYTHON))
	@$(VENV) $(PYTEST) $(ARGS)

quick: ## run a choice of tests that need no TensorFlow, in about a minute
	$(call set_up,$(PYTHONS),--extras lab$(comma)test$(comma)grading,$(NO_PYTHON))
	@$(VENV) -m pytest -n 2 --quick tests course_utils/arithmetic.py course_utils/convolution.py $(ARGS)

test-colab: ## run notebooks, exercises and explorers with the versions that Colab has
	$(call set_up,$(PYTHONS_COLAB),--colab,$(NO_COLAB))
	@$(COLAB) $(PYTEST) notebooks $(wildcard exercises/source/*/*.ipynb) \
	  $(wildcard tests/test_explorer_*.py) tests/test_explorers_in_classic.py $(ARGS)

notebooks: ## execute every notebook and keep the outputs
	$(call set_up,$(PYTHONS),--extras lab$(comma)test,$(NO_PYTHON))
	@$(VENV) tools/execute.py $(ARGS)

pictures: ## draw the explorers' pictures for the README
	$(call set_up,$(PYTHONS),--extras lab,$(NO_PYTHON))
	@$(VENV) tools/pictures.py

record: ## train a recipe with all its seeds and keep what came out: make record RUN=lenet5
	$(call set_up,$(PYTHONS),--extras lab,$(NO_PYTHON))
	@$(VENV) tools/record.py $(RUN) $(ARGS)

speedrun: ## train notebook 13's network once, timed, and print a line for the leaderboard
	$(call set_up,$(PYTHONS),--extras lab,$(NO_PYTHON))
	@$(VENV) tools/speedrun.py $(ARGS)

release: ## write the students' copies of the exercises (some: make release EXERCISE=ex02)
	$(call set_up,$(PYTHONS),--extras lab$(comma)grading,$(NO_PYTHON))
	@$(VENV) -m grading release $(EXERCISE)

grade: ## grade a folder or zip: make grade EXERCISE=ex02 SUBMISSIONS=folder ROSTER=class.csv
	$(call set_up,$(PYTHONS),--extras lab$(comma)grading,$(NO_PYTHON))
	@test -n "$(EXERCISE)" -a -n "$(SUBMISSIONS)" || { \
	  echo "grading: make grade EXERCISE=ex02 SUBMISSIONS=folder-or-zip ROSTER=class.csv" >&2; exit 1; }
	@$(VENV) -m grading grade $(EXERCISE) "$(SUBMISSIONS)" $(if $(ROSTER),--roster "$(ROSTER)") \
	  --folder "$(FOLDER)" $(ARGS)

review: ## read the written answers and give points, in nbgrader's formgrader
	$(call set_up,$(PYTHONS),--extras lab$(comma)grading,$(NO_PYTHON))
	@$(VENV) -m grading review --folder "$(FOLDER)" $(if $(LAB_ARGS),-- $(LAB_ARGS))

report: ## write feedback, grades and the class page anew: make report EXERCISE=ex02
	$(call set_up,$(PYTHONS),--extras lab$(comma)grading,$(NO_PYTHON))
	@test -n "$(EXERCISE)" || { echo "grading: make report EXERCISE=ex02" >&2; exit 1; }
	@$(VENV) -m grading report $(EXERCISE) --folder "$(FOLDER)"

give-back: ## for your platform: make give-back EXERCISE=ex02 PLATFORM=moodle (canvas, csv, …)
	$(call set_up,$(PYTHONS),--extras lab$(comma)grading,$(NO_PYTHON))
	@test -n "$(EXERCISE)" -a -n "$(PLATFORM)" || { echo "grading: make give-back EXERCISE=ex02 \
	  PLATFORM=moodle|canvas|blackboard|gradescope|csv" >&2; exit 1; }
	@$(VENV) -m grading give-back $(EXERCISE) $(PLATFORM) --folder "$(FOLDER)"

bench: ## measure what the course promises about speed, into build/bench.json
	$(call set_up,$(PYTHONS),--extras lab$(comma)test$(comma)grading,$(NO_PYTHON))
	@$(VENV) tools/bench.py $(ARGS)

# Fonts and scripts come with the packages: once they are installed, no network is asked.
site: ## write the course as web pages, into build/site
	$(call set_up,$(PYTHONS),--extras site,$(NO_PYTHON))
	@mkdir -p build/site-source
	@$(VENV) -m sphinx -b html -W --keep-going -q -c site build/site-source build/site $(ARGS)
	@echo "Open build/site/index.html"

zip: ## write build/course.zip, for a Drive or a learning platform
	$(call run,tools/zip_course.py)

links: ## links for a JupyterHub with nbgitpuller: make links HUB=https://hub.uni.example
	$(call run,tools/links.py "$(HUB)" $(ARGS))

address: ## show or set the public address: make address URL=https://github.com/owner/name
	$(call run,tools/address.py $(if $(filter command line,$(origin URL)),"$(URL)" --host "$(HOST)"))

format: ## put code and notebooks in the course's form
	$(call set_up,$(PYTHONS),--extras lab$(comma)test,$(NO_PYTHON))
	@$(VENV) -m ruff check --fix --quiet . ; $(VENV) -m ruff format . && $(VENV) -m ruff check .

# uv resolves once for every platform and Python; it keeps the present pins where they still serve.
# Newer ones: make lock ARGS=--upgrade
lock: ## write requirements.lock anew from pyproject.toml
	$(call set_up,$(PYTHONS),--extras lab$(comma)test,$(NO_PYTHON))
	@mkdir -p build && cp requirements.lock build/requirements.lock
	@$(VENV) -m venv build/uv && build/uv/bin/python -m pip install --quiet uv
	@build/uv/bin/python -m uv pip compile --quiet --universal --python-version 3.11 \
	  --fork-strategy fewest --extra lab --extra test --extra grading --extra site --no-header --no-annotate \
	  --no-emit-index-url $(ARGS) pyproject.toml --output-file build/requirements.lock
	@{ sed '/^#/!d' requirements.lock; sed '/^#/d' build/requirements.lock; } > build/new.lock
	@mv build/new.lock requirements.lock

clean: ## take away what was made: .venv, .venv-colab, caches (an unfinished record stays)
	rm -rf .venv .venv-colab .pytest_cache .ruff_cache .hypothesis
	test ! -d build || find build -mindepth 1 -maxdepth 1 ! -name record -exec rm -rf {} +
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find . -name .ipynb_checkpoints -type d -prune -exec rm -rf {} +

comma := ,
