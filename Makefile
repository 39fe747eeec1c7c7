# `make demo` and `make test` set up all they need; `make production` sets up citydc without the lab
# and the tools; the rest is for those who work on citydc.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3.11
UV := .venv/bin/uv
# Folders whose modules have the same names (conftest) are checked one by one.
TESTS := "tests/helpers tests/releases tests/unit/*.py" tests/lab tests/unit/*/

.PHONY: demo test production setup lint unit lab-test hosts-test soak bench lock generate clean

demo: setup
	.venv/bin/python -m lab.demo

test: setup lint unit lab-test

setup: .venv/ready

.venv/ready: requirements.txt pyproject.toml .venv/bin/uv
	$(UV) pip sync -q --python .venv/bin/python --compile-bytecode requirements.txt
	$(UV) pip install -q --python .venv/bin/python --no-deps -e .
	@touch $@

# What citydc needs beside the official CLI, as pinned as all the rest.
production: .venv/bin/uv
	$(UV) pip install -q --python .venv/bin/python --compile-bytecode \
	  --constraint requirements.txt -e .

.venv/bin/uv:
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) is missing; install Python 3.11" >&2; exit 2; }
	$(PYTHON) -m venv .venv || { apt-get update -q && \
	  apt-get install -y -q --no-install-recommends python3-venv && $(PYTHON) -m venv --clear .venv; }
	.venv/bin/pip install -q --disable-pip-version-check "$$(grep ^uv== requirements.txt)"

lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	for folder in $(TESTS); do .venv/bin/mypy $$folder; done
	.venv/bin/yamllint --strict .
	cd playbooks && ANSIBLE_CONFIG=ansible.cfg ../.venv/bin/ansible-lint --offline --strict

unit: setup
	.venv/bin/pytest tests/unit -n 2 --timeout 300 --cov --cov-report=term-missing:skip-covered

lab-test: setup
	.venv/bin/pytest tests/lab -p no:randomly -m "not soak and not hosts" --durations 40

# Real hosts: their networks, hardened, with their services; as root.  Two files at a time, each with
# labs and hosts of its own.
hosts-test: setup
	.venv/bin/pytest tests/lab -n 2 --dist loadfile -p no:randomly -m hosts --durations 40

soak: setup
	.venv/bin/pytest tests/lab -p no:randomly -m soak

bench: setup
	.venv/bin/python -m benchmarks

# Writes what is derived from the code and the catalogue; tests fail when it is stale.
generate: setup
	.venv/bin/python -m catalogue.schemas
	.venv/bin/python -m exporters.devices.schema
	.venv/bin/python -m exporters.uptime.schemas
	.venv/bin/python -m infra.outputs
	.venv/bin/python -m infra.inventory
	.venv/bin/python -m monitoring.boards
	.venv/bin/python -m monitoring.limits
	.venv/bin/python -m playbooks.controls
	.venv/bin/python -m playbooks.reference
	.venv/bin/python -m policies.reference

# Pins every package anew, for the Python of Debian 12 too, and those that hosts get; commit the result.
lock: setup
	$(UV) pip compile -q pyproject.toml --python-version 3.11.2 --all-extras --no-annotate --no-header --upgrade \
	  -o requirements.txt
	$(UV) pip compile -q playbooks/roles/exporters/files/requirements.in --constraint requirements.txt \
	  --python-version 3.11.2 --python-platform x86_64-manylinux_2_28 --no-build --generate-hashes --no-annotate \
	  --no-header -o playbooks/roles/exporters/files/requirements.txt

clean:
	-.venv/bin/citydc lab reset --yes
	rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache .coverage *.egg-info
