# The tests of make test (minutes), make test-long (half an hour) and make test-all (hours). The Makefile includes this file.

CORES := $(shell nproc 2>/dev/null || echo 2)

# make test leaves out tests that take long, and tests that measure and need the machine for themselves.
LONG_LIGHT := t/55-hostile/90-siege.t t/70-browser/40-trouble.t
LONG_FULL  := t/60-cluster/36-failover.t t/60-cluster/85-reload.t t/60-cluster/90-storm.t

# The features run on SQLite, except the tests that end children. On PostgreSQL and Redis run the tests that depend on the
# stack.
FEATURES    := $(sort $(wildcard t/50-feature/*.t))
LIGHT_TESTS := $(filter-out t/50-feature/62-reload.t t/50-feature/63-ends.t,$(FEATURES))
FULL_TESTS  := $(filter-out t/50-feature/70-config.t t/50-feature/71-configtest.t t/50-feature/72-virtual-hosts.t,$(FEATURES)) t/55-hostile/15-slow.t $(filter-out $(LONG_FULL),$(sort $(wildcard t/60-cluster/*.t)))
# On tables of several partitions.
PARTS_TESTS := t/50-feature/20-chat.t t/50-feature/23-rest-read.t t/60-cluster/10-children.t t/60-cluster/34-numbers.t
# Through PgBouncer.
BOUNCER_TESTS := t/50-feature/20-chat.t t/50-feature/21-contract.t t/50-feature/23-rest-read.t t/60-cluster/10-children.t
# On a PostgreSQL that is 5 ms away.
FAR_TESTS := t/50-feature/20-chat.t t/50-feature/23-rest-read.t t/60-cluster/10-children.t
SHORT_TESTS := t/lint t/00-unit t/20-runner t/40-protocol t/45-conformance $(LIGHT_TESTS) \
               $(filter-out $(LONG_LIGHT),$(sort $(wildcard t/55-hostile/*.t t/70-browser/*.t))) \
               $(FULL_TESTS:%=full:%) $(PARTS_TESTS:%=parts:%) $(BOUNCER_TESTS:%=pgbouncer:%) $(FAR_TESTS:%=far:%)

# If root runs the tests, they run as another user in a copy of the tree, because Apache::Test and initdb refuse root. The
# variables of the command line are passed on.
AS_USER = t/as-user $(MAKE) --no-print-directory $(MAKEOVERRIDES)

test: browser-deps lint-deps
	@$(AS_USER) check

check:
	@$(MAKE) --no-print-directory --jobs=$(CORES) --output-sync=target check-built
	@exec env TC_MAKE_VARIABLES='$(MAKEOVERRIDES)' t/run --timer $(UNIT_BIN) $(SHORT_TESTS)

# What other modules do to a child, for t/50-feature/64-strange-httpds.t.
STRANGE := $(addprefix $(BUILD)/fork/,mod_fork.so mpm_itk.so few_threads.so forge)

$(BUILD)/fork/%.so: t/fork/%.c | $(FOUND)
	@mkdir -p $(@D)
	$(CC) $(PURE_CFLAGS) $(HTTPD_CFLAGS) $(CFLAGS) -D_GNU_SOURCE -fPIC -fvisibility=hidden -shared -o $@ $< -ldl

$(BUILD)/fork/forge: t/fork/forge.c
	@mkdir -p $(@D)
	$(CC) $(PURE_CFLAGS) $(CFLAGS) -D_GNU_SOURCE -o $@ $<

check-built: $(MODULE) $(ECHO) $(NEXT) $(STRANGE) $(UNIT_BIN) $(FUZZ_SEEDS) $(BUILD)/hostile/key_updates

# ---- long ----

# One after the other. If one part fails, the others still run. At the end stands what became of each.
PARTS = MAKE='$(MAKE)' t/parts

# Each part of test-long has a folder of its own below t/var, so that its logs stay when the next part runs.
PART_VAR = TC_VAR="$${TC_VAR:-$(CURDIR)/t/var}/$(1)"

# Only a root that may mount file systems can make and enter other Debian releases. In many containers root may not.
CHROOT_PARTS := test-deb test-matrix test-release
ROOT_PARTS    = $(if $(shell [ "$$(id -u)" -eq 0 ] && unshare -m mount -t proc proc /proc 2>/dev/null && echo yes),$(CHROOT_PARTS))

test-long: browser-deps lint-deps
	@$(if $(ROOT_PARTS),,echo 'These parts are left out, because they need a root that may mount file systems: $(CHROOT_PARTS).' >&2)
	@$(PARTS) test-fuzz test-storms-and-tools $(ROOT_PARTS)

test-storms-and-tools:
	@$(AS_USER) check-long

check-long:
	@$(MAKE) --no-print-directory --jobs=$(CORES) --output-sync=target check-long-built
	@$(PARTS) lint-analyzer check-storms check-asan-part check-tsan-part check-soak

check-long-built: check-built $(BUILD)/bench/tcload
	@$(MAKE) --no-print-directory check-tools-built

# The model of a room runs with eight times the seeds of make test.
check-storms: $(MODULE) $(ECHO) $(NEXT) $(BUILD)/unit/room_model.t
	@exec env $(call PART_VAR,storms) UNIT_SEEDS=400 t/run --timer -j 1 $(LONG_LIGHT) $(LONG_FULL:%=full:%) $(BUILD)/unit/room_model.t

test-fuzz:
	@$(MAKE) --no-print-directory fuzz TIME=$(TIME)

# ---- all ----

test-all: test test-long
	@$(PARTS) test-asan test-tsan test-leaks test-rpm
	@$(MAKE) --no-print-directory soak TIME=3600

# With make -j as well: what installs, and what measures, has the machine for itself. The work has jobs of its own.
ifneq ($(filter test test-long test-all,$(MAKECMDGOALS)),)
.NOTPARALLEL:
endif

.PHONY: check-built test-long test-storms-and-tools check-long check-long-built check-storms test-fuzz test-all
