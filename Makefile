# Two commands matter: `make up` and `make test`. `make help` lists all.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
BIN := .venv/bin
# The lab, unless the clone has an inventory of somebody's own: then a command wants to know which is meant.
OWN := $(filter-out example lab,$(patsubst inventories/%/topology.yml,%,$(wildcard inventories/*/topology.yml)))
NAMED = $(or $(ENV),$(if $(OWN),$(error say which environment is meant: make $@ ENV=$(firstword $(OWN)), or ENV=lab),lab))
INVENTORY = inventories/$(NAMED)
OUT ?= topology.svg
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
export PATH := $(CURDIR)/$(BIN):$(PATH):/usr/sbin:/sbin
# A host's own settings must not change what these commands do.
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg

.PHONY: help
help:  ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: test-prerequisites
test-prerequisites: .venv/.installed
	@espalier/lab/prerequisites test $(SUDO)

.venv/.installed: requirements.txt pyproject.toml
	@python3 -c 'import ensurepip, venv' 2> /dev/null || espalier/lab/prerequisites python $(SUDO)
	@echo "set-up: Python packages into .venv …"
	@python3 -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	@touch $@

.PHONY: up
up: .venv/.installed  ## make a local machine and deploy PROJECT on it (a directory, git URL or package; default: the example)
	@espalier up $(if $(PROJECT),"$(PROJECT)") $(OPTIONS)

.PHONY: down
down: .venv/.installed  ## remove what `make up` made
	@espalier down

.PHONY: clean
clean: .venv/.installed  ## remove every lab of the kit on this machine, images included
	@$(BIN)/python -m espalier.lab clean

.PHONY: site
site: .venv/.installed  ## converge the machines of ENV=<inventory> (espalier site)
	@espalier site -i $(INVENTORY) $(OPTIONS)

.PHONY: plan
plan: .venv/.installed  ## say what `make site` would change where, and what that interrupts; DIFF=1 shows files
	@espalier plan -i $(INVENTORY) $(OPTIONS) $(if $(DIFF),--diff)

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
# As a variable of the shell, as CMD has quotes of its own.
psql: export STATEMENT = $(value CMD)
psql: .venv/.installed  ## open psql on the primary of ENV, or run CMD in it
	@espalier psql -i $(INVENTORY) $(OPTIONS) $${STATEMENT:+-c "$$STATEMENT"}

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

# What CI runs on every commit; 90 minutes are the end, 60 the aim. About how many minutes each takes on two cores, by runs up to
# 2026-12-01; beside other work up to twice as many:
#   lint            2        style, types, the contract between the rooms of the package
#   unit            11       pure functions; no machine is touched
#   default         10       a site that the version before has made is taken over under traffic (3 of them), verified, broken, retired
#   short-release   6        a few releases under traffic; a control machine that is killed; site.yml against a release
#   smoke           4        what a person types, for what the last issues changed: tests/smoke
#   insight-smoke   7        a site that lacks nothing, and one with half a core: load, advice, edit, proof
#   heavy           4 to 22  one of HEAVY, chosen by the count of commits: reach 4, front_door and frontend 5, pgbouncer 7, lockout 9, integrations and requirements 10, queue,
#                            redis and replicas 11, app_servers, wagtail, internet, backup.data 13, debian12 14, backup.failures and climb 18, release 15,
#                            insight.loops 16, taken_over 20, backup.machines 22; large and small 12
PARTS := lint unit default short-release smoke insight-smoke heavy
# Scenario@Debian; of `backup` and `insight`, a group of their steps. Over so many commits as there are entries, CI runs each of them.
HEAVY := backup.data@debian-13 backup.failures@debian-12 backup.machines@debian-13 backup.data@debian-12 backup.failures@debian-13 \
  backup.machines@debian-12 climb@debian-13 replicas@debian-12 release@debian-13 pgbouncer@debian-12 queue@debian-13 redis@debian-12 \
  app_servers@debian-13 front_door@debian-13 frontend@debian-13 debian12@debian-12 wagtail@debian-13 reach@debian-13 replicas@debian-13 \
  pgbouncer@debian-13 taken_over@debian-13 app_servers@debian-12 redis@debian-13 integrations@debian-13 requirements@debian-13 \
  internet@debian-13 internet@debian-12 lockout@debian-13 lockout@debian-12 insight.loops@debian-13 insight.loops@debian-12

.PHONY: test
test:  ## everything that CI runs
	@for part in $(PARTS); do \
	  began=$$SECONDS; \
	  $(MAKE) --no-print-directory $$part || { echo "test: $$part FAILED after $$((SECONDS - began)) s"; exit 1; }; \
	  echo "test: $$part passed in $$((SECONDS - began)) s"; \
	done

.PHONY: test-all
test-all:  ## lint, units and every scenario, those of the tiers on both releases of Debian; takes hours
	@$(MAKE) --no-print-directory test PARTS="lint unit default smoke $(HEAVY) large@debian-13 small@debian-13"
.PHONY: $(HEAVY) large@debian-13 small@debian-13
$(HEAVY) large@debian-13 small@debian-13: test-prerequisites
	LAB_IMAGE=$(lastword $(subst @, ,$@)) STEPS=$(word 2,$(subst ., ,$(firstword $(subst @, ,$@)))) \
	  molecule test --scenario-name $(firstword $(subst ., ,$(firstword $(subst @, ,$@))))

.PHONY: lint
lint: .venv/.installed  ## ansible-lint, yamllint, ruff, mypy, the contract between the rooms of the package, and the links of the docs
	yamllint --strict .
	ruff check .
	ruff format --check .
	mypy
	lint-imports
	ansible-lint --offline --profile production
	sphinx-build --quiet --fail-on-warning -c docs -b dummy . build/links

.PHONY: unit
unit: .venv/.installed  ## unit tests: no machine is touched
	pytest
	cd examples/orchard && python manage.py test

.PHONY: default short-release smoke insight-smoke heavy molecule
default: test-prerequisites
	molecule test --scenario-name default
short-release: test-prerequisites
	SHORT=1 molecule test --scenario-name release
smoke: test-prerequisites
	molecule test --scenario-name smoke
insight-smoke: test-prerequisites
	STEPS=smoke molecule test --scenario-name insight
heavy:
	@heavy=($(HEAVY)); $(MAKE) --no-print-directory "$${heavy[$$(git rev-list --count HEAD) % $${#heavy[@]}]}"
molecule: default short-release smoke insight-smoke heavy  ## the scenarios that CI runs

.PHONY: docs
docs: .venv/.installed  ## build the docs as a static site in build/docs
	sphinx-build --quiet --fail-on-warning -c docs -b html . build/docs
	@echo "build/docs/docs/index.html"

.PHONY: screenshot
screenshot: test-prerequisites  ## take the README's picture of the site of ENV
	ESPALIER_SCREENSHOTS=docs/images pytest --ansible-inventory=$(INVENTORY) tests/infra/test_browser.py -k front_page

.PHONY: bench
bench: test-prerequisites  ## measure: the baseline against the usual set-up, what each tier gains, backups
	python bench/run.py
	python bench/tiers.py
	python bench/durations.py
	python bench/before.py
	python bench/visits.py
	python bench/backups.py
