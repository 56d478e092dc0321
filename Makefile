# Everything that the project does on a machine: `make help`.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
BUILD := $(CURDIR)/build/python
export PATH := $(BIN):$(PATH)

.PHONY: help
help: ## This list.
	@awk -F ':.*## ' '/^[a-z -]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# What must be on the machine is said in one line each; the rest goes into .venv.
.PHONY: check-machine
check-machine:
	@command -v $(PYTHON) >/dev/null || { echo "missing: python3 (3.11 or later): apt-get install python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "missing: Python 3.11 or later; this is $$($(PYTHON) -V): make PYTHON=python3.11 ..."; exit 1; }
	@command -v gcc >/dev/null || { echo "missing: gcc: apt-get install gcc"; exit 1; }
	@echo 'int main(void) { return 0; }' | gcc -x c -o /dev/null - 2>/dev/null || { echo "missing: the C library's headers: apt-get install libc6-dev"; exit 1; }
	@$(PYTHON) -c 'import venv' 2>/dev/null || { echo "missing: venv: apt-get install python3-venv"; exit 1; }
	@test "$$(uname -s)" = Linux || { echo "missing: Linux (futex, epoll, /dev/shm)"; exit 1; }

$(VENV)/ready: pyproject.toml tools/venv.sh | check-machine
	@echo "setting up $(VENV)"
	@bash tools/venv.sh $(PYTHON) $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check meson-python meson ninja cffi
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev
	@$(BIN)/python -c 'import tomllib; print("\n".join(tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"]))' >$(VENV)/dependencies.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $(VENV)/dependencies.txt
	@touch $@

# The extension modules are built by meson and put beside their Python, where every process imports them
# as they are: nothing is rebuilt by an import. Python is compiled too, since where PYTHONDONTWRITEBYTECODE is set
# every process of an exchange would compile all that it imports, 0.15 s of CPU.
.PHONY: build
build: $(VENV)/configured ## Build the C core in place and make .venv/bin/ringbus.
	@. $(VENV)/headers.env; ninja -C $(BUILD) --quiet
	@for name in ringbus engine ports tuning; do \
	  cp --update --remove-destination $(BUILD)/_$$name.*.so $$name/; done
	@cp --update --remove-destination $(BUILD)/_single.*.so ringbus/
	@cp --update --remove-destination $(BUILD)/_calls.*.so engine/
	@$(BIN)/python -m compileall -q ringbus engine ports tools tuning

$(VENV)/configured: $(VENV)/ready meson.build meson.options tests/meson.build
	@echo "building"
	@. $(VENV)/headers.env; $(BIN)/meson setup --reconfigure $(BUILD) >/dev/null \
	  || { cat $(BUILD)/meson-logs/meson-log.txt; exit 1; }
	@echo '$(CURDIR)' >"$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/ringbus.pth"
	@printf '#!%s\nimport sys\nfrom tools.cli import main\nsys.exit(main())\n' '$(BIN)/python' >$(BIN)/ringbus
	@chmod +x $(BIN)/ringbus
	@touch $@

# Sanitizer builds of the C tests: no Python in them.
build/%/build.ninja: $(VENV)/ready meson.build tests/meson.build meson.options
	@$(BIN)/meson setup --reconfigure build/$* -Dpython=false -Dbuildtype=debugoptimized \
	  $(if $(filter ctest,$*),-Dbuildtype=release,-Db_sanitize=$(subst asan,address$(comma)undefined,$(subst tsan,thread,$*))) -Db_lundef=false >/dev/null
	@touch $@
comma := ,

.PHONY: ctest asan tsan
ctest asan tsan: %: build/%/build.ninja ## C tests: plain, under ASan and UBSan, under TSan.
	@ninja -C build/$@ --quiet
	@$(BIN)/meson test -C build/$@ --no-rebuild --print-errorlogs --quiet

# The hand-written extension modules under the sanitizers: a build of its own, found before the other.
SANITIZED := $(CURDIR)/build/asan-python
.PHONY: asan-python
asan-python: build ## Single messages from Python under ASan and UBSan (a minute).
	@. $(VENV)/headers.env; test -f $(SANITIZED)/build.ninja || $(BIN)/meson setup $(SANITIZED) \
	  --python.platlibdir $(SANITIZED)/site -Dbuildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false >/dev/null
	@. $(VENV)/headers.env; ninja -C $(SANITIZED) --quiet && $(BIN)/meson install -C $(SANITIZED) --no-rebuild --quiet
	@LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" \
	  ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 PYTHONPATH=$(SANITIZED)/site \
	  $(BIN)/pytest --quiet tests/ringbus/test_single.py tests/ringbus/test_lane.py tests/ringbus/test_ring.py \
	  tests/engine/test_calls.py

# What is found lies in build/fuzz; `make fuzz-keep` takes what reaches new code into the corpus.
FUZZ := soup ouch port mold
FOR_PYTHON := ringbus/single.c engine/arguments.c engine/calls.c engine/event.c
FUZZ_SOURCES := $(filter-out $(FOR_PYTHON),$(wildcard ports/*.c engine/*.c ringbus/*.c))
build/fuzz/%: tests/fuzz/fuzz_%.c $(FUZZ_SOURCES) $(wildcard ports/*.h engine/*.h ringbus/*.h tests/*.h tests/fuzz/*.h)
	@command -v clang >/dev/null || { echo "missing: clang with libFuzzer: apt-get install clang"; exit 1; }
	@mkdir -p build/fuzz/found/$*
	@clang -std=c11 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -D_GNU_SOURCE -I. -pthread $< $(FUZZ_SOURCES) -o $@

.PHONY: fuzz fuzz-keep
fuzz: $(FUZZ:%=build/fuzz/%) ## Fuzz the wire parsers and the whole port: make fuzz [SECONDS=60] [FUZZ=ouch].
	@for name in $(FUZZ); do echo "fuzzing $$name for $(or $(SECONDS),60) s"; \
	  build/fuzz/$$name -max_total_time=$(or $(SECONDS),60) -timeout=10 -max_len=4096 -print_final_stats=1 \
	    -artifact_prefix=build/fuzz/$$name- build/fuzz/found/$$name tests/fuzz/corpus/$$name 2>build/fuzz/$$name.log \
	    || { tail -40 build/fuzz/$$name.log; exit 1; }; \
	  grep -E 'number_of_executed_units|average_exec|new_units' build/fuzz/$$name.log; done

fuzz-keep: $(FUZZ:%=build/fuzz/%)
	@for name in $(FUZZ); do build/fuzz/$$name -merge=1 tests/fuzz/corpus/$$name build/fuzz/found/$$name 2>/dev/null; done

.PHONY: model
model: build/ctest/build.ninja ## Every interleaving of small scenarios over the shipped C, deeper (3 minutes).
	@ninja -C build/ctest --quiet tests/test_model
	@build/ctest/tests/test_model $(or $(DEPTH),3)

.PHONY: demo
demo: build ## A market day through the whole exchange, compared trade for trade (a minute).
	@$(BIN)/python -m tools.demo $(DEMO)

.PHONY: demo-latency
demo-latency: build ## The demo's exchange, five runs each of two promises, recorded and compared (5 minutes).
	@$(BIN)/python -m tools.demo.runs $(DEMO)

.PHONY: test
test: build ctest asan tsan ## Everything: C tests plain and sanitized, then pytest.
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadgroup $(PYTEST)

# The package as somebody else gets it: a wheel, in a virtual environment of its own, with this one's
# libraries so that nothing is fetched; nothing of the checkout is in its path.
INSTALLED := build/installed
.PHONY: test-install
test-install: build ## pip install . into a clean virtual environment, and try its ringbus (a minute).
	@rm -rf $(INSTALLED) build/wheel
	@. $(VENV)/headers.env; $(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-build-isolation --no-deps \
	  --wheel-dir build/wheel .
	@$(PYTHON) -m venv --without-pip $(INSTALLED)
	@$(BIN)/python -m pip --quiet --disable-pip-version-check --python $(INSTALLED)/bin/python install --no-deps --no-index build/wheel/*.whl
	@$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
	  >"$$($(INSTALLED)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/libraries.pth"
	@cd / && RINGBUS_INSTALLED=$(CURDIR)/$(INSTALLED)/bin/ringbus $(BIN)/python -m pytest --quiet -p no:cacheprovider \
	  --rootdir=$(CURDIR) $(CURDIR)/tests/tools/test_install.py

# It takes a CPU from the scheduler for some seconds.
.PHONY: test-partition
test-partition: build ## A real cpuset partition: as root, on two CPUs and cgroup v2 with its cpuset controller.
	@RINGBUS_PARTITION=1 $(BIN)/python -m pytest --quiet tests/tools/test_partitions.py -k kernel

# A Debian guest, made from packages (as root; downloads once), emulated: an hour. kvm is quicker where it may
# be used: make test-host ACCEL=kvm. PARTS=tune,service are some of it; its tree stays in build/host.
ACCEL ?= tcg
SUITE ?= bookworm
.PHONY: test-host
test-host: build ## What tuning does to a host, in a Debian guest with systemd and cgroup v2 (an hour).
	@$(BIN)/python -m tests.host --accel $(ACCEL) --suite $(SUITE) $(if $(PARTS),--parts $(PARTS))

.PHONY: test-wire
test-wire: build ## What goes over loopback, read by tshark; installs it where that is allowed.
	@command -v tshark >/dev/null || { test "$$(id -u)" = 0 || { echo "missing: tshark: apt-get install tshark (as root)"; exit 1; }; \
	  DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet tshark >/dev/null; }
	@$(BIN)/python -m pytest --quiet tests/ports/test_tshark.py

.PHONY: sim sim-long
sim: build ## One simulated day: make sim SEED=7 [COUNT=1] [STEPS=1500].
	@$(BIN)/python -m tests.sim --seed $(or $(SEED),1) --count $(or $(COUNT),1) --steps $(or $(STEPS),1500)

.PHONY: sim-mutants
sim-mutants: build ## Plants bugs in a copy of the tree; the simulation must find each (2 minutes).
	@$(BIN)/python -m tests.sim.mutants

sim-long: build ## Simulate for long: make sim-long [SEED=1] [COUNT=5000].
	@$(BIN)/python -m tests.sim --seed $(or $(SEED),1) --count $(or $(COUNT),5000) --steps $(or $(STEPS),1500)

# A round is up, load over real sockets, SIGKILL of anybody, down; then nothing may be left.
.PHONY: crash soak
crash soak: build ## Kill real processes under load, round after round: make soak [SEED=1] [ROUNDS=1000].
	@$(BIN)/python -m tests.crash --seed $(or $(SEED),1) --rounds $(or $(ROUNDS),$(if $(filter soak,$@),1000,200))

# Any part of it can be done again or elsewhere: SEED is the first piece's, N counts messages, PROFILE is one
# of tests/engine/profiles.py (all in turn without it). 10^7 take 20 minutes of a quiet core.
.PHONY: test-long
test-long: build ## Ten million random messages through the book and its oracle: SEED=1 N=10000000 PROFILE=.
	@$(BIN)/python -m tests.engine.long --seed $(or $(SEED),1) --messages $(or $(N),10000000) --profile '$(PROFILE)'

.PHONY: lint
lint: build ## Style, types, formatting, layering.
	@$(BIN)/python -m pytest --quiet tests/test_quality.py

.PHONY: format
format: $(VENV)/ready ## Format C and Python.
	@$(BIN)/ruff check --fix --quiet . && $(BIN)/ruff format --quiet .
	@$(BIN)/clang-format -i $$(git ls-files '*.c' '*.h' | grep -v ringbus/messages.h)

.PHONY: bench
bench: build/ctest/build.ninja ## Round trip against the bare cache line; the fused engine.
	@ninja -C build/ctest --quiet tests/bench_engine
	@echo "$$(uname -sr), $$(nproc) CPUs,$$(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2), $$(git describe --always --dirty 2>/dev/null), load $$(cut -d' ' -f1 /proc/loadavg), flow seed 88172645463325252"
	@build/ctest/tests/bench_engine $(BENCH)

# What `ringbus bench` runs; bench_counts says which compiler it was.
BENCH_PROGRAMS := bare_line bench_ring bench_book bench_engine bench_latency bench_ports bench_market bench_many bench_components bench_counts
.PHONY: bench-programs bench-all
bench-programs: build/ctest/build.ninja
	@ninja -C build/ctest --quiet $(BENCH_PROGRAMS:%=tests/%)

bench-all: build bench-programs ## All of them several times, in turns: make bench-all BENCH="--output results.json".
	@$(BIN)/ringbus bench $(BENCH)

# The page of results anew; a part alone: make bench-page BENCH="engine --keep".
.PHONY: bench-page
bench-page: build bench-programs ## All benchmarks, and tests/bench/LATEST.md from what they found (a quiet machine).
	@$(BIN)/ringbus bench $(BENCH) --output tests/bench/latest.json
	@$(BIN)/ringbus bench --page tests/bench/latest.json >tests/bench/LATEST.md

.PHONY: bench-many
bench-many: build/ctest/build.ninja ## Mass cancels and crosses: one message, many orders.
	@ninja -C build/ctest --quiet tests/bench_many
	@build/ctest/tests/bench_many $(BENCH)

.PHONY: bench-kill
bench-kill: build ## A kill through the whole engine: time to the last cancel, cancels a second (2 minutes).
	@echo "$$(uname -sr), $$(nproc) CPUs,$$(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2), $$(git describe --always --dirty 2>/dev/null), load $$(cut -d' ' -f1 /proc/loadavg)"
	@$(BIN)/python -m tests.bench.bench_kill $(BENCH)

.PHONY: bench-ring
bench-ring: build/ctest/build.ninja ## Lane and multicast against the bare cache line (1 minute).
	@ninja -C build/ctest --quiet tests/bench_ring
	@build/ctest/tests/bench_ring $(BENCH)

# Other engines on the same flows: PEERS names folders of their sources (tests/bench/peers/README.md).
.PHONY: bench-engine
bench-engine: build build/ctest/build.ninja ## The book on wide and hot flows, latency, instructions, Python.
	@ninja -C build/ctest --quiet tests/bench_book tests/bench_latency tests/bench_engine tests/bench_counts
	@echo "$$(uname -sr), $$(nproc) CPUs,$$(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2), $$(git describe --always --dirty 2>/dev/null), load $$(cut -d' ' -f1 /proc/loadavg)"
	@build/ctest/tests/bench_book $(or $(BENCH),5 5000000 1600000 2000000) $$(bash tests/bench/peers/build.sh '$(PEERS)' build/peers)
	@build/ctest/tests/bench_engine
	@build/ctest/tests/bench_latency
	@$(BIN)/python -m tests.bench.bench_book
	@$(BIN)/python -m tests.bench.counts

.PHONY: bench-counts
bench-counts: build/ctest/build.ninja ## Instructions per message against what is recorded (callgrind).
	@ninja -C build/ctest --quiet tests/bench_counts
	@$(BIN)/python -m tests.bench.counts $(COUNTS)

.PHONY: bench-market
bench-market: build/ctest/build.ninja ## The stream into ITCH and MoldUDP64 packets; what the loopback socket takes.
	@ninja -C build/ctest --quiet tests/bench_market
	@build/ctest/tests/bench_market $(BENCH)

.PHONY: bench-promise
bench-promise: build ## What published, journaled and replicated cost a client; how long a dead engine is missed.
	@$(BIN)/python -m tests.bench.bench_promise

.PHONY: bench-idle
bench-idle: build ## An exchange with nothing to do: CPU of every process, time to wake (1 minute).
	@$(BIN)/python -m tests.bench.bench_idle $(BENCH)

.PHONY: bench-start
bench-start: build ## How long an exchange takes to come up, and a killed core to be back (1 minute).
	@$(BIN)/python -m tests.bench.bench_start $(BENCH)

.PHONY: bench-stop
bench-stop: build ## How long `ringbus down` of seventeen processes takes, quiet and under load (3 minutes).
	@$(BIN)/python -m tests.bench.bench_stop $(BENCH)

.PHONY: bench-drop
bench-drop: build ## How much later than its client a drop copy has a message.
	@$(BIN)/python -m tests.bench.bench_drop $(BENCH)

# Every picture of the documentation; where one shows what was measured, of this machine as it is now.
.PHONY: pictures picture-plan picture-jitter picture-latency picture-runs picture-top
pictures: picture-plan picture-jitter picture-latency picture-runs picture-top ## Make every picture of the docs again (10 minutes, a quiet machine).

PLANTED := build/planted
picture-plan: build ## ... of `ringbus plan`, in tuning/README.md: a planted server, always the same.
	@rm -rf $(PLANTED)
	@$(BIN)/python -c 'import pathlib, tests.tuning.machine as machine; machine.two_sockets(pathlib.Path("$(PLANTED)"), isolated="1-7,17-23")'
	@$(BIN)/ringbus plan tuning/site.toml --root $(PLANTED) --svg tuning/pictures/plan.svg

picture-jitter: build ## ... of `ringbus tune jitter` and `lines`, in tuning/README.md.
	@$(BIN)/ringbus tune jitter --seconds 60 --output build/pictures
	@$(BIN)/ringbus tune lines --output build/pictures
	@cp build/pictures/jitter.svg tuning/pictures/jitter.svg
	@cp build/pictures/lines.svg tuning/pictures/lines.svg

picture-latency: demo ## ... of the demo's latency, in README.md.
	@cp demo-output/latency/latency.png tools/demo/latency.png

# Its status is the comparison's: one promise is slower. Where it has failed there is nothing to copy.
picture-runs: build ## ... of runs over time and compared, in tools/latency.md.
	@$(BIN)/python -m tools.demo.runs $(DEMO) || true
	@cp demo-output/runs/over_time.png tools/demo/over_time.png
	@cp demo-output/runs/comparison.png tools/demo/comparison.png

# The opening call is left out, so the orders find no book and some are refused: it is a picture.
picture-top: build ## ... of `ringbus top`, in tools/README.md, from the demo's exchange under load.
	@mkdir -p tools/pictures
	@$(BIN)/ringbus up tools/demo/demo.toml --detach --new-day
	@$(BIN)/ringbus load demo tests/data/sse_20230711/inbound.csv.gz --clients tools/demo/clients.csv --mode paced \
	  --rate 1500 >/dev/null & load=$$!; sleep 2; status=0; \
	$(BIN)/ringbus top demo --panel sessions --picture tools/pictures/top.svg || status=$$?; \
	kill $$load; $(BIN)/ringbus down demo; exit $$status

.PHONY: bench-top
bench-top: build ## What it costs an exchange to be watched by `ringbus top` and scraped (2 minutes).
	@echo "$$(uname -sr), $$(nproc) CPUs,$$(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2), $$(git describe --always --dirty 2>/dev/null), load $$(cut -d' ' -f1 /proc/loadavg)"
	@$(BIN)/python -m tests.bench.bench_top $(BENCH)

.PHONY: bench-ports
bench-ports: build/ctest/build.ninja ## A client port: messages a second without sockets and over TCP, floods, storms.
	@ninja -C build/ctest --quiet tests/bench_ports
	@echo "$$(uname -sr), $$(nproc) CPUs,$$(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2), $$(git describe --always --dirty 2>/dev/null), load $$(cut -d' ' -f1 /proc/loadavg)"
	@build/ctest/tests/bench_ports $(BENCH)

.PHONY: bench-rebuild
bench-rebuild: build ## How long each kind of agent takes to rebuild from a day of 10 M messages (1 minute).
	@echo "$$(uname -sr), $$(nproc) CPUs,$$(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2), $$(git describe --always --dirty 2>/dev/null), load $$(cut -d' ' -f1 /proc/loadavg)"
	@$(BIN)/python -m tests.bench.bench_rebuild $(BENCH)

.PHONY: bench-shards
bench-shards: build/ctest/build.ninja ## What 1 to 16 shards cost a stage; what a slow one costs the others (1 minute).
	@ninja -C build/ctest --quiet tests/bench_shards
	@build/ctest/tests/bench_shards $(BENCH)

.PHONY: bench-python
bench-python: build build/ctest/build.ninja ## The rings from Python, beside other message buses (5 minutes).
	@ninja -C build/ctest --quiet tests/bare_line
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --group peers
	@$(BIN)/python -m tests.bench.python $(BENCH)

.PHONY: bench-application
bench-application: build ## What an application in Python costs: whole batches, message by message.
	@$(BIN)/python -m tests.bench.bench_application $(BENCH)

.PHONY: bench-auction
bench-auction: build ## Ten thousand instruments opened at the same second: imbalances, crosses.
	@$(BIN)/python -m tests.bench.bench_auction $(BENCH)

.PHONY: bench-memory
bench-memory: build ## Pages of 4 KiB, transparent and explicit huge ones, where the host gives them.
	@$(BIN)/python -m tests.bench.bench_memory $(BENCH)

.PHONY: fuzz-fix
fuzz-fix: build ## Bytes at the FIX port, guided by coverage: make fuzz-fix [SECONDS=60].
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --group fuzz
	@$(BIN)/python -m tests.ports.fuzz_fix $(or $(SECONDS),60) build/fuzz-fix

.PHONY: stress
stress: build/ctest/build.ninja ## Overrun with readers that stall, die and join late: 10^9 messages.
	@ninja -C build/ctest --quiet tests/stress_ring
	@build/ctest/tests/stress_ring $(STRESS)

.PHONY: clean
clean: ## Remove everything that was built, .venv included.
	rm -rf $(VENV) build demo-output */_*.so .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
