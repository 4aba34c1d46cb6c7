# Every target does its own set-up in .venv, once for each content of the requirement files.
# Works with GNU make 3.81 (macOS) and newer. `make` alone lists the targets.

SUITABLE = import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.10; do \
	$$p -c '$(SUITABLE)' 2>/dev/null && echo $$p && break; done)
JOBS ?= 2
# How many times `make fuzz` tries each of its tests; make test tries 40.
EXAMPLES ?= 3000

VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip --disable-pip-version-check

# A stamp carries the checksum of what was installed, so that an edited file means a new one.
USER_SUM := $(shell cat requirements.txt constraints.txt | cksum | tr ' ' '-')
DEV_SUM := $(shell cat requirements.txt requirements/*.txt constraints.txt | cksum | tr ' ' '-')
USER_STAMP := $(VENV)/.installed-$(USER_SUM)
DEV_STAMP := $(VENV)/.installed-dev-$(DEV_SUM)

# One thread a process: the tests run side by side, and the same sums come out everywhere.
TEST_ENV := OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false

# `make test-oldest` and `make test-newest`: environments of their own, at both ends of the ranges in
# requirements.txt. torch is the tested one at both; TORCH=torch==2.15.0 names another.
TORCH ?= $(shell sed -n 's/^\(torch==[^;]*\).*/\1/p' constraints.txt)
ENDS := oldest newest
END_SUM := $(shell (cat requirements.txt requirements/*.txt tests/ends/versions.py; echo $(TORCH)) | cksum | tr ' ' '-')

.PHONY: help demo test test-unit test-oldest test-newest check format fuzz soak mutants bench bench-train bench-data bench-real ci-report gui-bundle demo-assets readme-table venv clean-venv

help:
	@echo "make demo         check, score, fine-tune, merge, score again, on the bundled data (5 minutes)"
	@echo "make test         style, types and all tests (half an hour)"
	@echo "make test-unit    the tests that start no processes and train little (6 minutes)"
	@echo "make test-oldest  fast tests and one whole job on the lowest versions that are allowed (15 minutes)"
	@echo "make test-newest  the same on the highest ones"
	@echo "make check        style and types alone (1 minute)"
	@echo "make format       put the code into the project's style"
	@echo "make fuzz         100,000 damaged files of every kind that a script reads, and more (an hour)"
	@echo "make soak         kill runs of every kind, and compare their ends with runs left alone (two hours)"
	@echo "make mutants      change the code in small ways, and see whether a test notices (half an hour)"
	@echo "make bench        speed of this machine, into benchmarks/results/"
	@echo "make bench-train  fine-tuning beside the stock recipe, into benchmarks/results/ (an hour)"
	@echo "make bench-data   manifests of up to 10 million lines, into benchmarks/results/ (half an hour, 3 GB)"
	@echo "make bench-real   OpenAI's whisper-base before and after fine-tuning, into benchmarks/results/ (an hour)"
	@echo "make ci-report    what continuous integration does with the demo: train, gate, reports (10 minutes)"
	@echo "make gui-bundle   infer_gui.py as a folder that runs without Python, into output/gui/ (10 minutes, 1 GB)"
	@echo "make demo-assets  make the bundled model and data again (needs espeak-ng)"
	@echo "make readme-table write the table of the last make demo into both READMEs"
	@echo "make venv         only install what the scripts need, into .venv"
	@echo "make clean-venv   remove .venv and the environments of test-oldest and test-newest"

demo: $(USER_STAMP)
	$(RUN) demo/run.py

test: check
	$(TEST_ENV) $(RUN) -m pytest -n $(JOBS) --dist worksteal

test-unit: $(DEV_STAMP)
	$(TEST_ENV) $(RUN) -m pytest -n $(JOBS) --dist worksteal -m "not slow"

$(addprefix test-,$(ENDS)): test-%: .venv-%/.installed-$(END_SUM)
	.venv-$*/bin/python tests/ends/versions.py found
	$(TEST_ENV) .venv-$*/bin/python -m pytest -n $(JOBS) --dist worksteal -m "not slow"
	$(TEST_ENV) .venv-$*/bin/python tests/ends/job.py output/$*

check: $(DEV_STAMP)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

format: $(DEV_STAMP)
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

fuzz: $(DEV_STAMP)
	$(TEST_ENV) FUZZ_EXAMPLES=$(EXAMPLES) $(RUN) -m pytest -n $(JOBS) --dist worksteal \
		--timeout=7200 tests/hostile
	$(TEST_ENV) $(RUN) tests/fuzz.py

soak: $(DEV_STAMP)
	$(RUN) tests/soak.py
	for recipe in pissa distillation tokens auto_batch; do \
		$(RUN) tests/soak.py --recipe=$$recipe --kills=20 --processes=1 --output_dir=output/soak-$$recipe || exit; \
	done
	$(RUN) tests/soak.py --kills=20 --processes=3 --output_dir=output/soak-three
	$(RUN) tests/soak_scripts.py

mutants: $(DEV_STAMP)
	$(PIP) install -q -r requirements/mutants.txt -c constraints.txt
	$(TEST_ENV) $(RUN) tests/mutants.py

bench: $(USER_STAMP)
	$(RUN) benchmarks/run.py

bench-train: $(USER_STAMP)
	$(RUN) benchmarks/train_speed.py

bench-data: $(USER_STAMP)
	$(RUN) benchmarks/data_scale.py

bench-real: $(USER_STAMP)
	$(RUN) benchmarks/real_speech.py

ci-report: $(USER_STAMP)
	$(RUN) demo/ci_report.py

gui-bundle: $(USER_STAMP)
	$(PIP) install --quiet -r requirements/gui.txt pyinstaller -c constraints.txt
	$(RUN) -m PyInstaller --noconfirm --log-level=WARN --distpath=output/gui --workpath=output/gui/build deploy/gui.spec
	$(RUN) deploy/start_bundle.py output/gui/infer_gui

demo-assets: $(USER_STAMP)
	$(RUN) demo/make

readme-table: $(USER_STAMP)
	$(RUN) demo/make/readme_table.py

venv: $(USER_STAMP)

$(USER_STAMP): | $(RUN)
	@echo "Installing what the scripts need into $(VENV); the first time takes a few minutes."
	$(PIP) install --quiet -r requirements.txt -c constraints.txt
	@rm -f $(VENV)/.installed-[0-9]* && touch $@

$(DEV_STAMP): | $(RUN)
	@echo "Installing what the tests need into $(VENV); the first time takes a few minutes."
	DS_BUILD_OPS=0 $(PIP) install --quiet -r requirements/dev.txt -c constraints.txt
	$(PIP) install --quiet --no-deps -r requirements/openai.txt -c constraints.txt
	@rm -f $(VENV)/.installed-* && touch $@ $(USER_STAMP)

# pip by itself takes the highest versions that fit; the lowest are named to it. In one call, so
# that nothing is installed that does not fit the rest.
.venv-%/.installed-$(END_SUM): | $(RUN)
	@echo "Installing the $* versions into .venv-$*; this takes a few minutes."
	@rm -rf .venv-$* && "$(RUN)" -m venv .venv-$*
	"$(RUN)" tests/ends/versions.py $* $(TORCH) > .venv-$*/constraints.txt
	DS_BUILD_OPS=0 .venv-$*/bin/python -m pip --disable-pip-version-check install --quiet \
		-r requirements/dev.txt -c .venv-$*/constraints.txt
	@touch $@

$(RUN):
	@if ! "$(PYTHON)" -c '$(SUITABLE)' 2>/dev/null; then \
		echo "error: this needs Python 3.10 to 3.13; found $$("$(PYTHON)" --version 2>/dev/null || echo "no $(PYTHON)")."; \
		echo "  Install one of them, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12"; \
		exit 2; \
	fi
	@"$(PYTHON)" -m venv $(VENV) || { \
		rm -rf $(VENV); \
		echo "error: $(PYTHON) -m venv did not work."; \
		echo "  On Debian and Ubuntu: apt install python3-venv"; \
		exit 2; \
	}

clean-venv:
	rm -rf $(VENV) $(addprefix .venv-,$(ENDS))
