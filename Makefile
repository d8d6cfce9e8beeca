# Runnable Notes. `make serve` shows the book, `make test` checks it; both need Python 3.11 or newer and nothing else.

PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# tests of one file stay together where they share what is dear to make
TOGETHER := -n auto --dist loadfile
# every step runs a process per core; torch's own threads would only wait for one another
export OMP_NUM_THREADS := 1

.DEFAULT_GOAL := help
.PHONY: help serve html test lint unit claims nbval site browser notebooks report format lock clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

serve: $(READY)  ## build the book and serve it on localhost (PORT=8000)
	@$(BIN)/python _ext/book.py serve --port $(PORT)

html: $(READY)  ## build the book into _build/html
	@$(BIN)/python _ext/book.py build

test: lint html unit claims nbval site browser  ## everything: lint, unit tests, claims, notebooks, book, browser

lint: $(READY)  ## check style and the form of the notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

unit: $(READY)  ## the package against its oracles
	$(BIN)/pytest $(TOGETHER) tests/unit

claims: $(READY)  ## the verdicts on the notes, each with its test, and the tests tried
	$(BIN)/pytest -n auto tests/claims

nbval: $(READY)  ## run every notebook and compare each output with the stored one
	$(BIN)/pytest $(TOGETHER) --nbval chapters/

site: html  ## the built pages: form, links, languages of machines and people
	$(BIN)/pytest -n auto tests/book

browser: html  ## move every slider in headless Chromium
	$(BIN)/pytest -n auto tests/browser

notebooks: $(READY)  ## run the notebooks and store their text outputs
	@$(BIN)/python _ext/book.py notebooks

report: $(READY)  ## what each notebook takes, and whether it is up to date
	@$(BIN)/python _ext/book.py report

format: $(READY)  ## put the code into the book's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock:  ## renew requirements.lock (see CONTRIBUTING.md)
	@$(PYTHON) _ext/environment.py lock

clean:  ## remove the build and its caches, not the environment
	rm -rf _build

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) _ext/environment.py install
