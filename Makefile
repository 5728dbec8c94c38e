# `make test` installs what the tests need and passes all of them.

GO          ?= go
BIN         := $(CURDIR)/.bin
LINT        := $(BIN)/golangci-lint
LINT_MODULE := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
FUZZ_TIMES  ?= 100000x

export NO_COLOR = 1

.PHONY: test test-long bench lint browser postgres build clean

# CI=true makes a test that would be skipped fail.
test: browser postgres lint
	CI=true $(GO) test -race ./...

# What takes longer: fuzzing, many kills, the benchmarks.
test-long: test
	$(GO) test ./domain -run '^$$' -fuzz '^FuzzParseKey$$' -fuzztime $(FUZZ_TIMES)
	$(GO) test ./domain -run '^$$' -fuzz '^FuzzOpenLink$$' -fuzztime $(FUZZ_TIMES)
	$(GO) test ./domain -run '^$$' -fuzz '^FuzzFlowDocument$$' -fuzztime $(FUZZ_TIMES)
	$(GO) test ./adapters/httpapi -run '^$$' -fuzz '^FuzzParseStart$$' -fuzztime $(FUZZ_TIMES)
	$(GO) test ./cmd/retainrabbit -run '^$$' -fuzz '^FuzzParseFlow$$' -fuzztime $(FUZZ_TIMES)
	CI=true KILL_ROUNDS=200 $(GO) test ./cmd/retainrabbit -run '^(TestKill|TestFleetIsKilled)$$' -v
	$(MAKE) bench

# Rates over real HTTP, each as a ratio to a bare handler, or to PostgreSQL's own
# pgbench, in the same run.
bench:
	$(GO) test ./adapters/httpapi -run '^$$' -bench . -benchtime 1x -timeout 60m

lint: $(LINT)
	$(GO) vet ./...
	$(LINT) run ./...

$(LINT):
	GOBIN=$(BIN) $(GO) install $(LINT_MODULE)

# Debian's Chromium, where no browser is found.
browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; }

# Debian's PostgreSQL and PgBouncer, where they are not found. Nothing of theirs is
# left running: the tests start servers of their own.
postgres:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && test -x /usr/sbin/pgbouncer || \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql pgbouncer >/dev/null; }

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o retainrabbit ./cmd/retainrabbit

clean:
	rm -rf $(BIN) retainrabbit
