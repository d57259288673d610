# Two commands for a fresh machine (Python 3.11+, Node 18+, git): `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help setup setup-test demo test check bench clean chromium nginx

help:
	@echo "make demo    convert and quantize yolo11n-pose, judge it in Chromium, publish it, leave everything in demo/"
	@echo "make test    set up and run all tests"
	@echo "make check   ruff and mypy"
	@echo "make bench   reproduce the tables of the docs; an hour and a half on two cores"
	@echo "             LABELS=coco.json CALIBRATION=folder: those on labelled photos too, an hour more"
	@echo "             CLIP=video: the squats too"
	@echo "make setup   build .venv"

# The stamp carries a hash of what decides the installation, so a second run costs nothing.
STAMP_INPUTS := pyproject.toml constraints.txt
STAMP := $(VENV)/.setup-$(shell cat $(STAMP_INPUTS) 2>/dev/null | sha256sum | cut -c1-16)

setup: $(STAMP)

$(STAMP):
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ echo "error: python venv is missing: apt-get install python3-venv"; exit 7; }
	@echo "Installing yolo-edge with torch, OpenCV and Playwright into $(VENV), once: some 3 GB, minutes without a word"
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[browser,validation,s3,sign,dev]'
	@touch $@

setup-test: $(STAMP)-test

# The second lowering engine is an independent oracle for the tests. It takes 3 GB, so make setup leaves it out.
$(STAMP)-test: $(STAMP)
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[browser,validation,s3,sign,dev,tf]'
	@touch $@

chromium:
	@command -v chromium chromium-browser google-chrome >/dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "Installing Chromium (apt-get install chromium)"; \
			apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; \
		else echo "error: Chromium is missing. Run: sudo apt-get install chromium"; exit 7; fi; }

# An edge before the test bucket. Tests that need it are skipped where it cannot be installed.
nginx:
	@command -v nginx >/dev/null || test -x /usr/sbin/nginx || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "Installing nginx (apt-get install nginx)"; \
			apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq nginx >/dev/null; \
			systemctl disable --now nginx >/dev/null 2>&1 || true; \
		else echo "note: nginx is missing, its tests are skipped. To run them: sudo apt-get install nginx"; fi; }

demo: setup chromium
	$(BIN)/python examples/demo.py demo

# Workers side by side, one thread each: two pools of threads on the same cores wait for each other.
test: setup-test chromium nginx
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# An estimate from the parts: an hour and a half on two idle cores, an hour more with photos. Nobody has timed the whole.
# The last one ends with exit code 1 if a bar is missed.
bench: setup-test chromium
	$(BIN)/python -m benchmarks.growth
	$(BIN)/python -m benchmarks.stages
	$(BIN)/python -m benchmarks.validation $(if $(LABELS),--labels $(LABELS))
	$(BIN)/python -m benchmarks.speed
	$(BIN)/python -m benchmarks.publication
	$(BIN)/python -m benchmarks.web --minutes 2
ifneq ($(and $(LABELS),$(CALIBRATION)),)
	$(BIN)/python -m benchmarks.quantization --labels $(LABELS) --calibration $(CALIBRATION)
	$(BIN)/python -m benchmarks.ablation --photos $(dir $(LABELS))images --calibration $(CALIBRATION)
	$(BIN)/yolo-edge frontier yolo11n-pose -o build/frontier --force --photos $(LABELS) --calibration $(CALIBRATION) \
		--schemes float16,int8,int4,rd:1.8MB,rd:1.6MB,rd:1.4MB,rd:1.2MB,rd:1.0MB
	$(BIN)/yolo-edge frontier yolo11n-pose -o build/frontier-sizes --force --photos $(LABELS) --imgsz 640,512,416,320 \
		--schemes float16,int8 --samples 16
	$(BIN)/yolo-edge sizes yolo11n-pose --photos $(LABELS)
else
	@echo "skipped: what is measured on labelled photos; give LABELS=coco.json and CALIBRATION=folder"
endif
ifdef CLIP
	$(BIN)/python -m benchmarks.squats $(CLIP)
else
	@echo "skipped: benchmarks.squats; give CLIP=video"
endif
	$(BIN)/python -m benchmarks.conversion

clean:
	rm -rf $(VENV) demo build dist *.egg-info
