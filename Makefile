# make build      the program, ./rbdfs
# make check      everything that a change must pass; installs what it needs
# make check-ceph make check with another release of Ceph, RELEASE=16, 18 or 20, in
#                 a Debian of its own (tests/ceph-root); as root
# make check-long the tests that run longer with RBDFS_LONG=1: 20 times as many random
#                 operations against a model. It may take hours, and is not for CI
# make unit       the tests that need no Ceph and no mount, with the race detector
# make mutants    takes out each flush, wait and ordering that a promise rests on, one
#                 at a time in a copy of the tree, and names the test that fails then
#                 (tests/mutants); half an hour. MUTANTS=... gives flags: -only REGEXP
# make demo       a mounted pool and a tour of it; make demo-stop ends it
# make bench      rbdfs against what its user would otherwise pick, in one run of
#                 about an hour; make bench-quick, of less than 5 minutes;
#                 make bench-scale, how cost grows. BENCH=... gives more flags
# make lines      lines of Go and C per package, without and with tests
# make clean

# GO adds the build tag that the installed librbd needs. It finds it when it
# runs, since "make check" may just have installed librbd.
GO := tests/go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.7.0

VERSION := $(or $(shell git describe --tags --always --dirty 2>/dev/null),devel)
COMMIT := $(or $(shell git rev-parse HEAD 2>/dev/null),unknown)
LDFLAGS := -X main.version=$(VERSION) -X main.commit=$(COMMIT)

# Packages with tests beside the code that need neither Ceph nor a mount.
UNIT := ./rbdio ./rbdio/memrbd ./fs/... ./snapshots/... ./cmd/... ./tests/layers ./tests/mutants ./tests/sanitize ./tests/bench/...

# Enough OSDs for an erasure-coded pool of 2+1 chunks.
OSDS := 3
TEST_TIMEOUT := 15m
LONG_TIMEOUT := 12h

# Tests with a long form.
LONG := 'TestBuffered|TestDirect|TestMixed|TestLayouts|TestLarge'

# Tests of reads and writes, which run a second time with --data-path=go.
BY_GO := ./tests/posix ./tests/model ./tests/crash ./tests/pair ./tests/outage

.PHONY: build check check-long check-ceph deps lint unit mutants demo demo-stop bench bench-quick bench-scale bench-deps lines clean

build: deps
	$(GO) build -trimpath -ldflags "$(LDFLAGS)" -o rbdfs ./cmd/rbdfs

deps:
	@tests/install-deps

check: build lint unit
	RBDFS_BIN=$(CURDIR)/rbdfs $(GO) run ./tests/cluster/cmd/cephdev run --osds $(OSDS) -- sh -c \
		'$(GO) test -timeout $(TEST_TIMEOUT) ./... && \
		RBDFS_DATA_PATH=go $(GO) test -count=1 -timeout $(TEST_TIMEOUT) $(BY_GO)'

check-long: build
	RBDFS_BIN=$(CURDIR)/rbdfs RBDFS_LONG=1 $(GO) run ./tests/cluster/cmd/cephdev run --osds $(OSDS) -- \
		$(GO) test -count=1 -timeout $(LONG_TIMEOUT) -run $(LONG) ./tests/model

check-ceph:
	tests/ceph-root $(RELEASE)

lint: deps
	@files=$$(gofmt -l .); if [ -n "$$files" ]; then echo "not as gofmt writes it:" $$files; exit 1; fi
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) -tags "$$(tests/ceph-tag)" ./...

unit: deps
	$(GO) test -race $(UNIT)

mutants: deps
	$(GO) run ./tests/mutants $(MUTANTS)

demo: build
	tests/demo/start

demo-stop:
	tests/demo/stop

bench: build bench-deps
	$(GO) run ./tests/bench $(BENCH)

bench-quick: build bench-deps
	$(GO) run ./tests/bench -quick $(BENCH)

bench-scale: build bench-deps
	$(GO) run ./tests/bench -scale $(BENCH)

bench-deps:
	@tests/install-deps bench

lines:
	@for d in $$(git ls-files '*.go' '*.c' '*.h' | xargs -n1 dirname | sort -u); do \
		printf '%-24s %6d %6d\n' $$d \
			$$(cat $$(git ls-files "$$d/*.go" "$$d/*.c" "$$d/*.h" | grep -v '_test.go$$' | grep "^$$d/[^/]*$$") /dev/null | wc -l) \
			$$(cat $$(git ls-files "$$d/*.go" "$$d/*.c" "$$d/*.h" | grep "^$$d/[^/]*$$") /dev/null | wc -l); \
	done

clean:
	rm -f rbdfs
