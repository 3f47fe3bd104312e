# One target for each thing one does with rsnn. Everything is installed into .venv, everything built goes into target/ and dist/;
# both are ignored by git. Each finished step leaves a file in .venv/stamps, so the next run repeats only what has changed.

PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
WHEELS := target/wheels
# rustup puts cargo here; a shell that was open before does not know it yet.
export PATH := $(PATH):$(HOME)/.cargo/bin
# A variable of the caller would change what is tested: the installed wheel, never the source tree.
unexport PYTHONPATH
PIP := $(BIN)/python -m pip --disable-pip-version-check
# maturin looks for its interpreter, and for zig, where the shell would.
MATURIN := VIRTUAL_ENV="$(abspath $(VENV))" PATH="$(abspath $(BIN)):$$PATH" maturin

SOURCES := $(shell find rust python -type f \( -name '*.rs' -o -name '*.toml' -o -name '*.py' -o -name '*.pyi' -o -name py.typed \) | LC_ALL=C sort) \
           Cargo.toml Cargo.lock pyproject.toml README.md LICENSE

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo examples test test-peers peers check gate gate-update fuzz bench bench-peers docs wheel dev format clean FORCE

help: ## this list
	@echo "rsnn: spiking neural networks on a CPU. Targets:"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20
	@echo "Options: PYTHON=path of a Python >= 3.11; ARGS='...' for demo, examples, test, fuzz and bench"

demo: $(STAMPS)/extra-demo ## build, install and run the main job on handwritten digits (pictures in out/)
	$(BIN)/python -m rsnn demo $(ARGS)

# OMP_NUM_THREADS: torchrun sets it to 1 itself, but says so at length.
examples: $(STAMPS)/extra-demo $(STAMPS)/extra-distributed ## train the tasks in examples/ at full size, minutes each (pictures in out/)
	$(BIN)/python examples/digits.py $(ARGS)
	$(BIN)/python examples/time_constants.py $(ARGS)
	$(BIN)/python examples/memory.py $(ARGS)
	$(BIN)/python examples/stdp_delay.py $(ARGS)
	$(BIN)/python examples/stdp_digits.py $(ARGS)
	$(BIN)/python examples/cluster_sweep.py $(ARGS)
	$(BIN)/python examples/conversion.py $(ARGS)
	$(BIN)/python examples/qat.py $(ARGS)
	$(BIN)/python examples/speck_digits.py $(ARGS)
	OMP_NUM_THREADS=1 $(BIN)/torchrun --standalone --nproc-per-node 2 examples/distributed.py $(ARGS)

test: $(STAMPS)/extra-test ## run every test: Rust, Python, docstrings, README
	# In release, as the wheel is built: the kernels take minutes to compile twice.
	cargo test --release --locked --workspace --quiet
	$(BIN)/python -m pytest $(ARGS)

test-peers: peers ## hold adopted models against norse, snntorch, sinabs and spikingjelly themselves, in .venv-peers
	.venv-peers/bin/python -m pip --disable-pip-version-check install --quiet 'pytest>=9' 'pytest-timeout>=2.4' 'hypothesis>=6.150'
	# Their warnings are no defects of ours.
	.venv-peers/bin/python -m pytest -W default tests/peers $(ARGS)

check: $(STAMPS)/extra-check ## format, lints and types of Rust and Python
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest rsnn._rsnn

# In tests: the values and the files are shared with the tests.
fuzz: $(STAMPS)/extra-test ## call everything public with hostile values for a minute (ARGS="--seconds 60 --seed 0 --calls 1000000")
	cd tests && ../$(BIN)/python -m fuzz $(ARGS)

gate: $(STAMPS)/venv ## compare instruction counts with the recorded ones (needs valgrind)
	$(BIN)/python benchmarks/gate.py

gate-update: $(STAMPS)/venv ## record this compiler's instruction counts
	$(BIN)/python benchmarks/gate.py --update

bench: $(STAMPS)/extra-demo ## measure speed against copying and against a torch loop (ARGS=--write puts it into docs/performance.md)
	$(BIN)/python benchmarks/speed.py $(ARGS)

bench-peers: peers ## measure against norse, snntorch, sinabs, spikingjelly and jax, installed into .venv-peers
	.venv-peers/bin/python -m pip --disable-pip-version-check install --quiet jax
	.venv-peers/bin/python benchmarks/peers.py

# What was verified was verified against these. snnTorch names none of its needs: pandas is its pictures'.
PEERS := norse==1.1.0 snntorch==1.0.0 sinabs==3.1.3 spikingjelly==2.0.0 pandas
# nir and nirtorch come last and alone: sinabs asks for an older nir than the others do, and SpikingJelly's exporter needs a newer nirtorch.
peers: $(STAMPS)/wheel
	@test -d .venv-peers || tools/venv.sh .venv-peers $(PYTHON)
	.venv-peers/bin/python -m pip --disable-pip-version-check install --quiet $(PEERS) $(WHEELS)/rsnn-*.whl
	.venv-peers/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --force-reinstall $(WHEELS)/rsnn-*.whl
	.venv-peers/bin/python -m pip --disable-pip-version-check install --quiet --no-deps 'nir>=1.0.8' 'nirtorch>=2.6'

docs: $(STAMPS)/extra-docs ## build the manual into docs/_build/html; runs the tutorials, a warning is an error
	$(BIN)/python -m sphinx -b html -W --keep-going --quiet docs docs/_build/html
	@echo "docs/_build/html/index.html"

wheel: $(STAMPS)/zig ## build a wheel for old Linux systems and an sdist into dist/, and try both
	rm -rf dist
	$(MATURIN) build --release --locked --zig --compatibility manylinux2014 --compression-level 9 --out dist
	$(MATURIN) sdist --out dist
	$(BIN)/python tools/try_dist.py dist

dev: $(STAMPS)/extra-check ## install in place: Python edits are live, run again after Rust edits
	rm -f $(STAMPS)/wheel
	$(MATURIN) develop --release --locked

format: $(STAMPS)/extra-check ## rewrite Rust and Python in the project's format
	cargo fmt --all
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean: ## remove everything that was built or installed here
	rm -rf $(VENV) .venv-peers target dist out docs/_build .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(STAMPS)/venv:
	@tools/venv.sh $(VENV) $(PYTHON)
	@mkdir -p $(STAMPS)
	@touch $@

$(STAMPS)/maturin: $(STAMPS)/venv
	$(PIP) install --quiet 'maturin>=1.16,<2'
	@touch $@

$(STAMPS)/zig: $(STAMPS)/maturin
	$(PIP) install --quiet ziglang
	@touch $@

# The names of the sources: rewritten only when a file came or went, which the times of the files alone would not show.
$(STAMPS)/sources: $(STAMPS)/venv FORCE
	@printf '%s\n' $(SOURCES) | cmp -s - $@ || printf '%s\n' $(SOURCES) > $@

$(STAMPS)/wheel: $(SOURCES) $(STAMPS)/sources $(STAMPS)/maturin
	rm -rf $(WHEELS)
	$(MATURIN) build --release --locked --quiet --compression-level 9 --out $(WHEELS)
	$(PIP) install --quiet --force-reinstall --no-deps $(WHEELS)/rsnn-*.whl
	$(PIP) install --quiet $(WHEELS)/rsnn-*.whl
	@touch $@

# What an extra needs is in pyproject.toml; the wheel itself may change without installing torch again.
$(STAMPS)/extra-%: pyproject.toml | $(STAMPS)/wheel
	$(PIP) install "$$(ls $(WHEELS)/rsnn-*.whl)[$*]"
	@touch $@
