# make setup | cluster | app | demo | race | test | proofs | faults | gpu | check
# Needs Python 3.11 or newer; uses uv where it is installed, python -m venv and pip otherwise.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup cluster app demo race test proofs faults gpu check

setup: $(READY)

# Made anew only when requirements.txt or this file changes. The last lines put `lgm` and `import lgm_core` into the environment.
$(READY): requirements.txt Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed, $(PYTHON) is $$($(PYTHON) --version); try: make PYTHON=python3.12"; exit 1; }
	@if command -v uv >/dev/null; then \
		echo "setting up with uv"; \
		test -x $(BIN)/python || uv venv --quiet --python $(PYTHON) $(VENV); \
		uv pip install --quiet --python $(BIN)/python -r requirements.txt; \
	else \
		echo "setting up with venv and pip (uv would be quicker)"; \
		test -x $(BIN)/python || $(PYTHON) -m venv $(VENV); \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt; \
	fi
	@echo "$(CURDIR)" > "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/lgm_core.pth"
	@printf '#!%s\nimport sys\nfrom lgm_core.cli.main import main\nsys.exit(main())\n' "$(CURDIR)/$(BIN)/python" > $(BIN)/lgm
	@chmod +x $(BIN)/lgm
	@$(BIN)/lgm fetch mobilenet_v3_small mobilenet_v2 tf_efficientnet_lite0
	@touch $(READY)

# Ray and submitit, for studies on a cluster (docs/scale.md): the lines of requirements.txt that begin with "#cluster: ".
cluster: setup
	@wanted="$$(sed -n 's/^#cluster: //p' requirements.txt)"; \
	if command -v uv >/dev/null; then uv pip install --quiet --python $(BIN)/python $$wanted; \
	else $(BIN)/python -m pip install --quiet --disable-pip-version-check $$wanted; fi

app: setup
	$(BIN)/streamlit run app.py

# A real backbone distils photographs, then the result and real images are judged on two backbones. One seed; three:
# docs/experiments/demo.py.
demo: setup
	$(BIN)/lgm study demo details --preset preview --distil-with mobilenet_v3_small \
		--evaluate-on mobilenet_v3_small mobilenet_v2 --protocol paper --seeds 1 --draws 3 --steps 150 \
		--lgm.whiten full --lgm.objective cosine-per-class --probe.views 10 --probe.full-views 1

# The current records of docs/leaderboard.md, three seeds each; some two hours, and true seconds, on idle cores.
race: setup
	$(BIN)/lgm fetch resnet18 dinov2_vits14
	$(BIN)/python docs/experiments/leaderboard.py run
	$(BIN)/python docs/experiments/leaderboard.py table

# The processes that tests start need not compile the program anew each time.
test proofs: export PYTHONDONTWRITEBYTECODE =

test: setup
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

# What proves slowly: whole runs from an empty folder, kills, every command of the documentation.
proofs: setup
	$(BIN)/python -m pytest -m slow --numprocesses auto --maxprocesses 4 --dist worksteal

# Many examples of the property tests; then short runs that get KILL, TERM or INT in every phase, whose disk fills up (needs
# `unshare -rm`), and which are killed or refused at every system call that changes a file (needs strace). SHARD=2/8: the second eighth of those.
# What is done is remembered in FAULTS, so that the same command goes on.
SHARD ?= 1/1
FAULTS ?= $(CURDIR)/.faults
faults: setup
	FAULTS_EXAMPLES=many $(BIN)/python -m pytest tests/faults -m examples --numprocesses auto --maxprocesses 4
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults.phases --folder $(FAULTS)/phases
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults.full_disk --folder $(FAULTS)/full
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults.crash_points --folder $(FAULTS)/$(subst /,-of-,$(SHARD)) --shard $(SHARD)

# What the engine does on this GPU; without one it says so.
gpu: setup
	$(BIN)/python docs/experiments/gpu.py

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright -p .pyrightconfig.json
	@echo "$$(find lgm_core pages app.py -name '*.py' -exec cat {} + | wc -l) lines of Python," \
		"$$(find tests -name '*.py' -exec cat {} + | wc -l) of tests," \
		"$$(find lgm_core pages -name '*.js' -exec cat {} + | wc -l) of JavaScript"
