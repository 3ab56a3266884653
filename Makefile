# Everything here works from a clean clone, as root and as an ordinary user, and several times at once.
# What a target needs beyond Go, it installs where it can: see scripts/need.sh.

.DEFAULT_GOAL := help
SHELL := /bin/sh

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# Arguments for the program behind run and bench: make run ARGS="--once"
ARGS ?=
# How long make fuzz stays with each fuzz test.
FUZZTIME ?= 10s

# The version comes from VERSION. Go's own stamp would fail in a checkout that git does not trust,
# such as another user's.
export GOFLAGS := $(GOFLAGS) -buildvcs=false

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build ## Build, and show what Ringside does: ringside demo $(ARGS)
	@scripts/need.sh postgres
	bin/ringside demo $(ARGS)

.PHONY: build
build: ## Build bin/ringside, a static binary
	@scripts/need.sh go
	@mkdir -p bin 2>/dev/null && test -w bin || { echo "This checkout cannot be written to by $$(id -un): build in a clone of your own." >&2; exit 1; }
	@scripts/web.sh
	@# Built aside and renamed: another copy of this may be running what is there.
	@new=$$(mktemp -d bin/new.XXXXXX) && trap 'rm -rf "$$new"' EXIT && \
		CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o "$$new/ringside" ./cmd/ringside && \
		mv -f "$$new/ringside" bin/ringside

# Without Chromium the tests of the dashboard in a browser are skipped, except in CI.
#
# The race detector needs a C compiler, which nothing else here does. Without one, tests run
# without it and say so, rather than asking a newcomer for a compiler; CI always has it.
#
# Two packages at a time, on two processors; but those one at a time that bound how long something may
# take: packages that fight over two processors make a healthy server look sick. go vet comes before.
ALONE := ringside/(cache|voice|cmd/ringside|internal/bench)$$
.PHONY: test
test: ## Vet, and run every test, on a real Postgres, Redis and Chromium
	@scripts/need.sh go postgres redis $(if $(CI),cc node chromium)
	@scripts/web.sh
	@scripts/examples.sh
	@scripts/need.sh chromium || echo "No Chromium here: the dashboard is not tested in a browser."
	go vet ./...
	@race=; if scripts/need.sh --have cc; then race=-race; export CGO_ENABLED=1; else echo "No C compiler here: testing without the race detector."; fi; \
	failed=0; \
	for run in "-p 2 $$(go list ./... | grep -vE '$(ALONE)' | tr '\n' ' ')" "-p 1 $$(go list ./... | grep -E '$(ALONE)' | tr '\n' ' ')"; do \
		go test $$race -vet=off -timeout 9m $$run || failed=1; \
	done; exit $$failed

.PHONY: lint
lint: ## Check formatting, go vet, staticcheck
	@scripts/need.sh go
	@unformatted=$$(gofmt -l .) && test -z "$$unformatted" || { echo "not formatted with gofmt:" $$unformatted >&2; exit 1; }
	go vet ./...
	go tool -modfile=tools/go.mod staticcheck ./...

.PHONY: fuzz
fuzz: ## Run each fuzz test for $(FUZZTIME)
	@scripts/need.sh go
	@scripts/fuzz.sh $(FUZZTIME)

# How often make crash kills each part, and how many acknowledged events it goes on for.
ROUNDS ?= 50
EVENTS ?= 100000
.PHONY: crash
crash: ## Kill sidecar, Postgres and Redis under load $(ROUNDS) times each, and print what was lost
	@scripts/need.sh go postgres redis
	@RINGSIDE_CRASH_ROUNDS=$(ROUNDS) RINGSIDE_CRASH_EVENTS=$(EVENTS) go test -count=1 -timeout 90m -run '^(TestCrashes|TestSlowAndIdleSocketsAreClosed)$$' -v ./cmd/ringside

# How long make soak goes on.
SOAK ?= 30m
.PHONY: soak
soak: ## Ten times an ordinary rate for $(SOAK): memory, goroutines and descriptors stay flat
	@scripts/need.sh go postgres redis
	@RINGSIDE_SOAK=$(SOAK) go test -count=1 -timeout 12h -run '^TestSoak$$' -v ./cmd/ringside

.PHONY: bench
bench: ## Measure beside a bare handler, and print the table of figures
	@scripts/need.sh go postgres redis
	go run ./internal/bench $(ARGS)
