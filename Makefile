# mod_tripchat. `make run` starts the demo, `make test` runs every test; both install what they need.
#
#   make              build the module                 make install      install it with apxs
#   make run          the demo in the foreground       make token USER=ann
#   make run STACK=full [PEER=1]                       on PostgreSQL and Redis; PEER: a second server on them
#   make grant USER=carol [TRIP=…]                     make revoke USER=carol [TRIP=…]
#   make test         all tests                        make test-unit    the pure layers, sanitized
#   make test-browser the client, in Node and Chromium
#   make test-asan    the suites with httpd under AddressSanitizer and UBSan
#   make test-tsan    the threads' unit tests and the suites under ThreadSanitizer
#   make test-leaks   ten thousand connections under valgrind
#   make soak TIME=60 chat, comings, goings and reloads: the servers stay as large as they were
#   make fuzz TIME=60 [TARGET=reader]                  what parses, with libFuzzer, so many seconds each
#   make lint         what compilers and checkers say of the sources
#   make echo         a WebSocket echo server of the same objects, for conformance clients (PORT=9001)
#   make dist         the sources as a tar file        make deb        Debian packages (make test-deb tries them)
#   make bench        build bench/*.c                  make clean        remove what was built

APXS     ?= apxs
BUILD    := build
MODULE   := $(BUILD)/mod_tripchat.so

CC       ?= cc
WARNINGS := -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes \
            -Wno-sign-conversion -Wformat=2 -Wvla
OPTIMIZE ?= -O2 -g
CFLAGS   ?= $(OPTIMIZE) -fstack-protector-strong
PURE_CFLAGS = -std=gnu11 $(WARNINGS) -Isrc $(shell apr-1-config --cppflags --includes) \
              $(shell apu-1-config --includes)
HTTPD_CFLAGS = -I$(shell $(APXS) -q INCLUDEDIR)
LIBS     := -ljson-c -ljwt -lhiredis -lz -lssl -lcrypto

# The layers, lowest first; t/00-unit/layers.t holds their includes to this order.
PURE     := base codec domain engine
LAYERS   := $(PURE) token shared store bus peer child httpd
PURE_SRC := $(sort $(foreach layer,$(PURE),$(wildcard src/$(layer)/*.c)))
SRC      := mod_tripchat.c $(sort $(foreach layer,$(LAYERS),$(wildcard src/$(layer)/*.c)))
OBJ      := $(SRC:%.c=$(BUILD)/module/%.o)

# The echo server is the module with another record.
ECHO     := $(BUILD)/mod_tripchat_echo.so
ECHO_OBJ := $(BUILD)/module/t/echo/mod_tripchat_echo.o $(filter-out %/mod_tripchat.o,$(OBJ))

# The module of another version of parcels, for a reload into it (t/50-feature/63-ends.t).
NEXT     := $(BUILD)/mod_tripchat_next.so
NEXT_SRC := $(shell grep -l '"peer/parcel.h"' $(SRC))
NEXT_OBJ := $(NEXT_SRC:%.c=$(BUILD)/module/next/%.o) $(filter-out $(NEXT_SRC:%.c=$(BUILD)/module/%.o),$(OBJ))
NEXT_IS  := -DTC_PARCEL_VERSION=2

.PHONY: all deps install run echo token grant revoke test test-deps browser-deps check test-unit test-tsan test-browser fuzz dist deb test-deb FORCE bench clean

all: $(MODULE)

# A fresh machine has no apxs to ask for flags: install first, then let make start over.
ifeq ($(shell command -v $(APXS) 2>/dev/null),)
$(MODULE) $(ECHO) $(NEXT): deps
	$(MAKE) $@
else
$(MODULE): $(OBJ)
	$(CC) -shared $(LDFLAGS) -o $@ $(OBJ) $(LIBS)

$(ECHO): $(ECHO_OBJ)
	$(CC) -shared $(LDFLAGS) -o $@ $(ECHO_OBJ) $(LIBS)

$(NEXT): $(NEXT_OBJ)
	$(CC) -shared $(LDFLAGS) -o $@ $(NEXT_OBJ) $(LIBS)

COMPILE = $(CC) $(PURE_CFLAGS) $(HTTPD_CFLAGS) $(CFLAGS) -fPIC -fvisibility=hidden -MMD -MP -c -o $@ $<

$(BUILD)/module/%.o: %.c
	@mkdir -p $(@D)
	$(COMPILE)

$(BUILD)/module/next/%.o: %.c
	@mkdir -p $(@D)
	$(COMPILE) $(NEXT_IS)
endif

-include $(sort $(patsubst %.o,%.d,$(OBJ) $(ECHO_OBJ) $(NEXT_OBJ)))

# What the metrics' page says of itself.
%/src/httpd/monitor.o: PURE_CFLAGS += -DTC_VERSION='"$(VERSION)"'
$(BUILD)/module/src/httpd/monitor.o: VERSION

deps:
	@conf/demo/install-packages build run

install: $(MODULE)
	$(APXS) -i -n tripchat $(MODULE)

clean:
	rm -rf $(BUILD)

run: deps
	@$(if $(filter full,$(STACK)),conf/demo/install-packages full)
	@$(MAKE) --no-print-directory $(MODULE)
	@exec env PORT='$(PORT)' WORLD='$(WORLD)' STACK='$(STACK)' PEER='$(PEER)' conf/demo/run "$(CURDIR)/$(MODULE)"

echo: deps
	@$(MAKE) --no-print-directory $(ECHO)
	@exec env PORT='$(PORT)' t/echo/run "$(CURDIR)/$(ECHO)"

# USER is everybody's own name in the environment: only the command line counts.
ifneq ($(origin USER),command line)
USER := ann
endif
TRIP ?=

token:
	@conf/demo/token '$(USER)'

grant revoke:
	@conf/demo/membership $@ '$(USER)' '$(TRIP)'

# ---- tests ----

# What the unit tests link: the layers without httpd and database, and of the others what needs neither.
UNIT_SRC   := $(PURE_SRC) $(sort $(wildcard src/token/*.c src/shared/*.c)) \
              $(addprefix src/,peer/parcel.c bus/redis_url.c bus/spending.c store/sql_query.c) \
              t/00-unit/unit.c
UNIT_TESTS := $(patsubst t/00-unit/test_%.c,%,$(sort $(wildcard t/00-unit/test_*.c)))
TSAN_TESTS := $(filter mailbox loop hub_threads,$(UNIT_TESTS))
UNIT_CFLAGS = $(PURE_CFLAGS) -It/00-unit -g -O1 -fno-omit-frame-pointer -DTC_CHECK_THREADS
UNIT_LIBS   = $(shell apr-1-config --link-ld) $(shell apu-1-config --link-ld) \
              $(shell pkg-config --libs check) $(LIBS)
ASAN       := -fsanitize=address,undefined -fno-sanitize-recover=undefined
TSAN       := -fsanitize=thread

# $(1) the flavour's name, $(2) its flags: objects and tests under build/$(1)/
define UNIT_RULES
$(BUILD)/$(1)/%.o: %.c
	@mkdir -p $$(@D)
	$$(CC) $$(UNIT_CFLAGS) $(2) -MMD -MP -c -o $$@ $$<

$(BUILD)/$(1)/%.t: $(BUILD)/$(1)/t/00-unit/test_%.o $(UNIT_SRC:%.c=$(BUILD)/$(1)/%.o)
	$$(CC) $(2) -o $$@ $$^ $$(UNIT_LIBS)

-include $$(wildcard $(BUILD)/$(1)/*/*.d $(BUILD)/$(1)/*/*/*.d)
endef
$(eval $(call UNIT_RULES,unit,$(ASAN)))
$(eval $(call UNIT_RULES,tsan,$(TSAN)))
.PRECIOUS: $(BUILD)/unit/%.o $(BUILD)/tsan/%.o
.SECONDARY:

# The fuzz targets: t/10-fuzz/fuzz_<name>.c. Here each is fed its seeds alone, by a driver of ours.
FUZZ_TARGETS := $(patsubst t/10-fuzz/fuzz_%.c,%,$(sort $(wildcard t/10-fuzz/fuzz_*.c)))
FUZZ_SRC     := $(sort $(wildcard src/base/*.c src/codec/*.c src/token/jw*.c)) \
                t/10-fuzz/fuzz.c t/10-fuzz/chat_checks.c
FUZZ_LIBS     = $(shell apr-1-config --link-ld) $(shell apu-1-config --link-ld) $(LIBS)
FUZZ_SEEDS   := $(BUILD)/fuzz/seeds/.made

$(BUILD)/unit/fuzz_%.t: $(BUILD)/unit/t/10-fuzz/fuzz_%.o $(BUILD)/unit/t/10-fuzz/replay.o \
                        $(FUZZ_SRC:%.c=$(BUILD)/unit/%.o) | $(FUZZ_SEEDS)
	$(CC) $(ASAN) -o $@ $^ $(FUZZ_LIBS)

$(FUZZ_SEEDS): t/10-fuzz/seeds.pl t/lib/TripChat/Frame.pm
	@rm -rf $(@D)
	@t/10-fuzz/seeds.pl $(@D)
	@touch $@

UNIT_BIN := $(UNIT_TESTS:%=$(BUILD)/unit/%.t) $(FUZZ_TARGETS:%=$(BUILD)/unit/fuzz_%.t)
TSAN_BIN := $(TSAN_TESTS:%=$(BUILD)/tsan/%.t)

test-deps:
	@conf/demo/install-packages build run full test

# The client's tests run in Node, which may come from anywhere, and in Debian's Chromium.
BROWSER := $(BUILD)/browser

browser-deps: test-deps
	@conf/demo/install-packages browser
	@command -v npm >/dev/null || conf/demo/install-packages node
	@[ -d $(BROWSER)/node_modules/playwright-core ] || npm install --silent --no-audit --no-fund \
	    --no-save --prefix $(BROWSER) playwright-core@1.60.0 ws@8.23.0

# Root's run goes on as somebody else in a copy: Apache::Test refuses root, and so will initdb. The packages' chroot
# wants root.
test: browser-deps lint-deps
	@if [ "$$(id -u)" -eq 0 ]; then $(MAKE) --no-print-directory test-deb; fi
	@t/as-user $(MAKE) --no-print-directory check

# First on SQLite, then what depends on the stack on PostgreSQL and Redis, with several children and servers.
FEATURES    := $(sort $(wildcard t/50-feature/*.t))
LIGHT_TESTS := $(filter-out t/50-feature/62-reload.t t/50-feature/63-ends.t,$(FEATURES))
FULL_TESTS  := $(filter-out t/50-feature/70-config.t,$(FEATURES)) t/60-cluster

check: $(MODULE) $(ECHO) $(NEXT) $(UNIT_BIN) $(BUILD)/hostile/key_updates lint
	@t/run $(UNIT_BIN) t/00-unit t/40-protocol t/45-conformance $(LIGHT_TESTS) t/55-hostile t/70-browser
	@TC_STACK=full t/with-services t/run $(FULL_TESTS)
	@$(MAKE) --no-print-directory check-asan-quick

$(BUILD)/hostile/%: t/55-hostile/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(WARNINGS) $(CFLAGS) -o $@ $< -lssl -lcrypto

test-unit: test-deps $(UNIT_BIN)
	prove $(UNIT_BIN) t/00-unit

test-tsan: test-deps $(TSAN_BIN)
	prove $(TSAN_BIN)
	@t/as-user $(MAKE) --no-print-directory check-tsan

test-browser: browser-deps $(MODULE)
	@t/as-user t/run t/70-browser

include t/lint/rules.mk
include t/sanitize/rules.mk

# ---- fuzzing ----

TIME   ?= 60
TARGET ?= $(FUZZ_TARGETS)

FUZZ_CC     := clang
FUZZ_FLAGS  := -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
FUZZ_CFLAGS := -g -O1 -fno-omit-frame-pointer

fuzz:
	@conf/demo/install-packages build test fuzz
	@$(MAKE) --no-print-directory $(TARGET:%=$(BUILD)/fuzz/fuzz_%) $(FUZZ_SEEDS)
	@t/10-fuzz/run '$(TIME)' $(TARGET)

# libFuzzer's own main comes with the flag when it links; objects get the instrumentation alone.
$(BUILD)/fuzz/fuzz_%: $(BUILD)/fuzz/t/10-fuzz/fuzz_%.o $(FUZZ_SRC:%.c=$(BUILD)/fuzz/%.o)
	$(FUZZ_CC) $(FUZZ_FLAGS) -o $@ $^ $(FUZZ_LIBS)

$(BUILD)/fuzz/%.o: %.c
	@mkdir -p $(@D)
	$(FUZZ_CC) $(PURE_CFLAGS) $(FUZZ_CFLAGS) $(subst fuzzer,fuzzer-no-link,$(FUZZ_FLAGS)) -MMD -MP -c -o $@ $<

-include $(wildcard $(BUILD)/fuzz/*/*.d $(BUILD)/fuzz/*/*/*.d)

# ---- packages ----

VERSION := $(file < VERSION)
SOURCES := mod_tripchat-$(VERSION)

dist: $(BUILD)/$(SOURCES).tar.gz

# What git knows, whatever else lies around.
$(BUILD)/$(SOURCES).tar.gz: FORCE
	@mkdir -p $(@D)
	@git archive --format=tar.gz --prefix=$(SOURCES)/ -o $@ HEAD
	@echo "$@"

deb: $(BUILD)/$(SOURCES).tar.gz
	@conf/demo/install-packages build deb
	@rm -rf $(BUILD)/deb && mkdir -p $(BUILD)/deb
	@tar -C $(BUILD)/deb -xzf $<
	@cd $(BUILD)/deb/$(SOURCES) && dpkg-buildpackage -b -us -uc
	@lintian --fail-on error,warning $(BUILD)/deb/*.changes
	@ls $(BUILD)/deb/*.deb

test-deb: deb
	@conf/demo/install-packages deb-test
	@prove t/85-package/run :: $(BUILD)/deb/libapache2-mod-tripchat_*.deb

FORCE:

bench: $(BUILD)/bench/tcload $(BUILD)/bench/bare

$(BUILD)/bench/%: bench/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(WARNINGS) $(CFLAGS) -o $@ $< -lssl -lcrypto
