# Two commands matter: `make up` and `make test`. `make help` lists all.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
BIN := .venv/bin
ENV ?= lab
INVENTORY := inventories/$(ENV)
OUT ?= topology.svg
TIERS := replicas pgbouncer redis app_servers
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
export PATH := $(CURDIR)/$(BIN):$(PATH):/usr/sbin:/sbin
# A host's own settings must not change what these commands do.
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg

.PHONY: help
help:  ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: prerequisites test-prerequisites
prerequisites: .venv/.installed
	@espalier/lab/prerequisites up $(SUDO)
test-prerequisites: .venv/.installed
	@espalier/lab/prerequisites test $(SUDO)

.venv/.installed: requirements.txt pyproject.toml
	@espalier/lab/prerequisites up $(SUDO)
	@echo "set-up: Python packages into .venv …"
	@python3 -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	@touch $@

.PHONY: up
up: prerequisites  ## make a local machine and deploy PROJECT on it (a directory, git URL or package; default: the example)
	@espalier/lab/up "$(PROJECT)"

.PHONY: down
down: .venv/.installed  ## remove what `make up` made
	@$(BIN)/python -m espalier.lab down -i inventories/lab

.PHONY: clean
clean: .venv/.installed  ## remove every lab of the kit on this machine, images included
	@$(BIN)/python -m espalier.lab clean

.PHONY: site
site: .venv/.installed  ## converge the machines of ENV=<inventory> (ansible-playbook site.yml)
	@ansible-playbook site.yml -i $(INVENTORY) $(OPTIONS)

.PHONY: plan
plan: .venv/.installed  ## say what `make site` would change where, and what that interrupts; DIFF=1 shows files
	@ANSIBLE_STDOUT_CALLBACK=plan ansible-playbook site.yml -i $(INVENTORY) $(OPTIONS) --check $(if $(DIFF),--diff)

.PHONY: release rollback status log
release: .venv/.installed  ## ship what project.yml of ENV declares, or VERSION, to every machine
	@espalier release -i $(INVENTORY) $(if $(VERSION),--version '$(VERSION)') $(OPTIONS)
rollback: .venv/.installed  ## go back to the release before, or to RELEASE
	@espalier rollback -i $(INVENTORY) $(OPTIONS) $(RELEASE)
status: .venv/.installed  ## say what is live on each machine of ENV, how it is, since when and by whom
	@espalier status -i $(INVENTORY) $(OPTIONS)
log: .venv/.installed  ## say what went live on ENV, when, and who did it
	@espalier log -i $(INVENTORY) $(OPTIONS)

.PHONY: maintenance
maintenance: .venv/.installed  ## close the site for maintenance, or open it: make maintenance STATE=on|off|status [AT=/shop/]
	@espalier maintenance -i $(INVENTORY) $(OPTIONS) $(or $(STATE),status) $(or $(AT),/)

.PHONY: manage logs psql
manage: .venv/.installed  ## run manage.py CMD in the live release: make manage CMD="createsuperuser"
	@espalier manage -i $(INVENTORY) $(OPTIONS) -- $(CMD)
logs: .venv/.installed  ## follow what Django says on every machine of ENV
	@espalier logs -f -i $(INVENTORY) $(OPTIONS)
psql: .venv/.installed  ## open psql on the primary of ENV, or run CMD in it
	@espalier psql -i $(INVENTORY) $(OPTIONS) $(if $(CMD),-c '$(CMD)')

.PHONY: load
load: .venv/.installed  ## visit the site of INVENTORY for a minute, and count what goes wrong
	@python -m espalier.load -i $(INVENTORY) $(LOAD)

.PHONY: diagram diagrams
diagram: .venv/.installed  ## draw the topology of INVENTORY as OUT (SVG)
	@espalier/lab/prerequisites diagram $(SUDO)
	@python -m espalier.diagram $(INVENTORY) $(OUT)
diagrams: .venv/.installed  ## draw those of the docs anew
	@espalier/lab/prerequisites diagram $(SUDO)
	@for inventory in docs/diagrams/*; do python -m espalier.diagram $$inventory docs/images/$${inventory##*/}.svg; done

.PHONY: test
test: lint unit molecule  ## everything that CI runs

.PHONY: lint
lint: .venv/.installed  ## ansible-lint, yamllint, ruff, mypy, and the contract between the rooms of the package
	yamllint --strict .
	ruff check .
	ruff format --check .
	mypy
	lint-imports
	ansible-lint --offline --profile production

.PHONY: unit
unit: .venv/.installed  ## unit tests: no machine is touched
	pytest
	cd examples/orchard && python manage.py test

.PHONY: molecule
molecule: test-prerequisites  ## the baseline, verified and broken; up and down the ladder, and releases, under traffic
	molecule test --scenario-name default
	molecule test --scenario-name climb
	molecule test --scenario-name release

.PHONY: screenshot
screenshot: test-prerequisites  ## take the README's picture of the site of ENV
	ESPALIER_SCREENSHOTS=docs/images pytest --ansible-inventory=$(INVENTORY) tests/infra/test_browser.py -k front_page

.PHONY: bench
bench: test-prerequisites  ## measure: the baseline against the usual set-up, and what each tier gains
	python bench/run.py
	python bench/tiers.py
	python bench/durations.py

.PHONY: test-all
test-all: test  ## and every other scenario, those of the tiers on both releases of Debian
	for name in debian12 wagtail large queue reach; do molecule test --scenario-name $$name; done
	for name in $(TIERS); do for image in debian-13 debian-12; do \
	  LAB_IMAGE=$$image molecule test --scenario-name $$name; done; done
