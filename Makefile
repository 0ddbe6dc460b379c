# make run    set up and run the smoke suite: results/<run>/run.h5 and report.html
# make test   set up and run every test
# make check  format, lint, types, floors
# make perf   speed benchmarks (quiet machine)
# make validate   the long validations (validate-md, validate-climate); writes docs/md-validation.md, docs/climate-validation.md
# make interconnects   the runs and pictures of docs/interconnects.md (quiet machine, chromium; root for the emulated part)
# Each target does its own set-up in .venv; `make clean` removes it.
# JOBS is how many test files run at a time, each in a process of its own.
# CUDA=0 leaves the CUDA compiler and CuPy (some 270 MB, no GPU needed) out of a new .venv; their tests are then skipped
# by name. Tests that need a GPU run where there is one; CLUSTERMARK_REQUIRE_GPU=1 makes their skips failures.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MPICH := .venv-mpich
CUDA ?= $(if $(filter Linux,$(shell uname -s)),1,0)
JOBS ?= 2
TEST_EXTRAS := mpi,test,check$(if $(filter-out 0,$(CUDA)),$(shell echo ,cuda-test))
TESTED := $(VENV)/.test$(if $(filter-out 0,$(CUDA)),-cuda)

.PHONY: run test check lint types environments perf validate validate-md validate-climate interconnects format clean
.DELETE_ON_ERROR:

run: $(VENV)/.run
	$(BIN)/clustermark run smoke

test: $(TESTED) $(MPICH)/.run
	CLUSTERMARK_OTHER_PYTHON=$(abspath $(MPICH))/bin/python $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder --max-worker-restart 0

check: lint types

lint: $(TESTED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-logo

types: $(TESTED)
	$(BIN)/basedpyright --pythonpath $(BIN)/python

# The two environments of the tests, one after the other: both installs write into this tree.
environments: $(TESTED)
	$(MAKE) $(MPICH)/.run

perf: $(TESTED) $(MPICH)/.run
	env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE CLUSTERMARK_OTHER_PYTHON=$(abspath $(MPICH))/bin/python \
	  $(BIN)/python -m pytest tests/perf --benchmark-only -rs --benchmark-columns=median,iqr,rounds

validate: validate-md validate-climate

validate-md: $(VENV)/.run
	$(BIN)/python tests/validate/md_validate.py

validate-climate: $(VENV)/.run
	$(BIN)/python tests/validate/climate_validate.py

INTERCONNECTS := results/interconnects
interconnects: $(TESTED)
	rm -rf $(INTERCONNECTS)
	$(BIN)/clustermark run interconnects --only pingpong,multi_pair,allreduce --fabric shm,tcp --seconds 0.03 --out $(INTERCONNECTS)
	$(BIN)/clustermark run pairs --launches 2 --seconds 0.03 --out $(INTERCONNECTS)
	$(BIN)/clustermark run md --ranks 2 --fabric shm,tcp --precision fp64 --set cells=20 --set overlap=true --launches 2 --seconds 0.3 --out $(INTERCONNECTS)
	$(BIN)/clustermark run climate --ranks 2 --fabric shm,tcp --precision fp64 --set resolution=4.5 --set case=held_suarez --set overlap=true --launches 2 --seconds 0.3 --out $(INTERCONNECTS)
	$(BIN)/python tests/reports/pictures.py interconnects $(INTERCONNECTS)/*/
	$(BIN)/clustermark emulate --nodes 2 --rate 1gbit --delay 50us -- run interconnects --only pingpong,multi_pair --fabric tcp --launches 3 --seconds 0.05 --set bytes=8B,4KiB,64KiB,1MiB --out $(INTERCONNECTS)/emulated
	$(BIN)/python tests/reports/pictures.py emulated $(INTERCONNECTS)/emulated/*/

format: $(TESTED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) $(MPICH) build dist *.egg-info src/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys, venv; sys.exit("clustermark needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; set PYTHON=" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(MPICH)/bin/python:
	$(PYTHON) -m venv $(MPICH)

# One MPI per environment: the wheels of Open MPI and MPICH both bring an mpirun.
$(VENV)/.run: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[mpi]'
	touch $@

$(TESTED): pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$(TEST_EXTRAS)]'
	touch $@ $(VENV)/.run

$(MPICH)/.run: pyproject.toml | $(MPICH)/bin/python
	$(MPICH)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[mpich,test]'
	touch $@
