# Every target does its own set-up: `make demo` and `make test` work in a fresh clone with Python 3.11.
SHELL := /bin/bash
PYTHON ?= python3.11
PY := .venv/bin/python
# Modules are compiled when they are first imported: most never are.
PIP := .venv/bin/pip install --quiet --disable-pip-version-check --prefer-binary --no-compile
# An index of CPU builds of torch, where plain torch would bring gigabytes of CUDA: make demo TORCH_INDEX=https://...
TORCH_INDEX ?=
CUDA_INDEX ?=
TORCH ?= torch==2.13.0
CLUSTER_ARGS ?= -n 4 --maxschedchunk 1 --durations=15 -q
PYTEST_ARGS ?= -n auto --maxprocesses 4 --dist worksteal --durations=15 -q
SEEDS ?= 2000

.DEFAULT_GOAL := help

##@ Use
.PHONY: help
help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: .venv/demo ## jobs/digits.yaml from data to a verified Core ML package; prints where the report is
	.venv/bin/lading run jobs/digits.yaml

##@ Develop
.PHONY: setup
setup: .venv/dev ## .venv with everything that tests, lint and types need

.PHONY: check
check: .venv/dev ## format, lint, types, import rules
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	$(PY) -m mypy
	.venv/bin/lint-imports

.PHONY: test
test: .venv/dev ## all tests that can run here (S3 and cluster tests where their variables are set)
	$(PY) -m pytest $(PYTEST_ARGS)

.PHONY: test-cluster
test-cluster: .venv/dev ## whole runs on the cluster that KUBECONFIG names, with images built and pushed to CLUSTER_REGISTRY
	$(PY) -m pytest tests/cluster $(CLUSTER_ARGS)

.PHONY: bench
bench: .venv/dev ## ratios against peers and floors, in one run
	$(PY) -m bench

.PHONY: simulate
simulate: .venv/dev ## explores the launch protocol with SEEDS= seeds
	$(PY) -m tests.simulation --seeds $(SEEDS)

.PHONY: docs
docs: .venv/dev ## regenerates the schemas in docs/
	$(PY) -m lading.cli.schemas docs

.PHONY: verify
verify: .venv/dev ## regenerates what is generated, and fails where it differs from what is committed
	$(PY) -m lading.cli.schemas docs
	$(PY) k8s/generate.py
	git diff --exit-code -- docs k8s/rendered helm/lading/values.schema.json
	@test -z "$$(git status --porcelain -- docs k8s/rendered)" || { git status --short -- docs k8s/rendered; exit 1; }

.PHONY: fmt
fmt: .venv/dev ## formats and mends what ruff can mend
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

##@ Images
.PHONY: images
images: ## builds, checks and pushes the three images, and writes build/sbom/: REGISTRY=registry.example.com/team [TAG=v1] [CONTAINER_TOOL=docker|podman|buildah]
	TORCH_INDEX='$(TORCH_INDEX)' images/build.sh

.PHONY: locks
locks: ## writes images/*/requirements.lock and requirements.cuda.lock anew: versions of constraints.txt, with the hash of each file
	$(PYTHON) images/lock.py --torch-index '$(TORCH_INDEX)' --cuda-index '$(CUDA_INDEX)'

##@ Set-up
.venv/base:
	@echo "fetching torch, lightning, onnx, onnxruntime, coremltools and what they need: about 1 GB, 3 to 6 minutes the first time"
	$(PYTHON) -m venv .venv
	$(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$(TORCH)"
	@touch $@

# src/lading/constraints.txt names the versions that the tests ran with: the same libraries everywhere, and no search for them.
.venv/demo: .venv/base pyproject.toml src/lading/constraints.txt
	$(PIP) --constraint src/lading/constraints.txt --editable ".[train,export,report]"
	@touch $@

.venv/dev: .venv/demo
	$(PIP) --constraint src/lading/constraints.txt --editable ".[train,export,report,dev]"
	@touch $@

.PHONY: constraints
constraints: ## writes src/lading/constraints.txt anew from what is installed
	.venv/bin/pip freeze --exclude-editable | sed 's/+cpu//; s/ @ .*//' > src/lading/constraints.txt
